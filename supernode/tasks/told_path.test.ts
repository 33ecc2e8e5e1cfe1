import { describe, expect, it } from "vitest";
import { PASS_MS, PathKey, pathKeySchema } from "../../protocol/path_pass.ts";
import { toldPath } from "./told_path.ts";

const KEY = Buffer.alloc(32, 7).toString("base64url");
const path = "/peer/file/x";
const at = (nowMs: number, ageMs = 0, bornAtMs = 0) =>
  toldPath({ path, pathKey: PathKey.told({ key: KEY, ageMs }, bornAtMs) }, nowMs);

describe("a client's path as others are told it", () => {
  it("is v1's own, where it has no key", () => {
    expect(toldPath({ path }, 5)).toBe(path);
  });

  it("has a pass of 192 bits at its end, another in each period", () => {
    expect(at(0)).toMatch(/^\/peer\/file\/x\/[\w-]{32}$/);
    expect(at(PASS_MS - 1)).toBe(at(0));
    expect(at(PASS_MS)).not.toBe(at(0));
  });

  it("counts periods from when the client made the key, whatever clock it has", () => {
    expect(at(5000, 3 * PASS_MS + 1, 5000)).toBe(at(3 * PASS_MS));
  });

  it("has a key that no JSON shows", () => {
    const client = { path, pathKey: PathKey.told({ key: KEY, ageMs: 0 }, 0) };
    expect(JSON.stringify(client)).not.toContain(KEY);
  });

  it.each([{}, { key: KEY }, { key: `${KEY}x`, ageMs: 0 }, { key: KEY, ageMs: -1 }])(
    "needs a key that makes sense: not %j",
    (message) => {
      expect(pathKeySchema.safeParse(message).success).toBe(false);
    },
  );
});
