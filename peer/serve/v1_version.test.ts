import { describe, expect, it } from "vitest";
import { V1Version } from "./v1_version.ts";

describe("the version that v1 clients are told", () => {
  it("is another one where the same file is announced again, and that from then on", () => {
    const version = new V1Version();
    expect(version.answer("a-1-1")).toBe("");
    expect(version.answer("a-1-1")).toBe("1.0.6");
    expect(version.answer("b-1-2")).toBe("1.0.6");
    expect(version.answer("b-1-2")).toBe("");
  });

  it("is the one that clients are heard to have", () => {
    const version = new V1Version();
    version.heard("dfget/1.0.6-2~deb12");
    expect(version.answer("a-1-1")).toBe("1.0.6-2~deb12");
    version.heard("curl/8.0");
    version.heard("dfget/0.1.0");
    version.heard(undefined);
    expect(version.answer("b-1-1")).toBe("1.0.6-2~deb12");
    expect(version.answer("b-1-1")).toBe("");
  });
});
