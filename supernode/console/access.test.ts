import { hostname } from "node:os";
import { describe, expect, test } from "vitest";
import { isFromElsewhere } from "../our_names.ts";
import { ConsoleAccess, consoleConfigSchema } from "./access.ts";

const nobodyOwn = () => false;
const access = (config: object = {}, isOwn?: () => boolean) =>
  new ConsoleAccess(consoleConfigSchema.parse(config), isOwn);
const local = { remote: "127.0.0.1", host: "localhost:8002" };

describe("who may see the console", () => {
  test("this host, by whatever address and name of its own", () => {
    for (const host of ["localhost:8002", "127.0.0.1:8002", "[::1]:8002", hostname(), "LOCALHOST"])
      expect(access().refusal({ ...local, host }), host).toBeUndefined();
    expect(
      access().refusal({ remote: "10.9.9.9", local: "10.9.9.9", host: "10.9.9.9" }),
    ).toBeUndefined();
  });

  test("nobody else, and is told what to do", () => {
    const refusal = access().refusal({ remote: "::ffff:10.1.2.3", host: "10.0.0.1:8002" });
    expect(refusal).toMatch(/10\.1\.2\.3 .*base\.console\.allowedClients.*ssh -L 8002/s);
  });

  test("those whom the configuration names", () => {
    const config = { allowedClients: ["10.1.0.0/16"] };
    const from = (remote: string) =>
      access(config, nobodyOwn).refusal({ remote, host: "10.0.0.1" });
    expect(from("10.1.2.3")).toBeUndefined();
    expect(from("::ffff:10.1.2.3")).toBeUndefined();
    expect(from("10.2.0.1")).toMatch(/allowedClients/);
  });

  test("a name that leads here, but is another's, is no way in", () => {
    const by = (host: string, config = {}) => access(config).refusal({ ...local, host });
    expect(by("attacker.example:8002")).toMatch(/base\.console\.names/);
    expect(by("localhost.attacker.example")).toMatch(/names/);
    expect(by(`${hostname().split(".")[0]}.attacker.example`)).toMatch(/names/);
    expect(by("")).toMatch(/names/);
    expect(by("a b")).toMatch(/names/);
    expect(by("Console.example.net", { names: ["console.example.NET"] })).toBeUndefined();
  });
});

describe("who may change something", () => {
  test("our own page, and programs, but no page of another site", () => {
    const by = (origin?: string) => access().refusalOfChange({ ...local, origin });
    expect(by()).toBeUndefined();
    expect(by("http://localhost:8002")).toBeUndefined();
    expect(by("http://localhost:8003")).toMatch(/another site/);
    expect(by("null")).toMatch(/another site/);
    expect(access().refusalOfChange({ remote: "10.1.2.3", host: "x" })).toMatch(/may not see/);
  });

  test("the origin counts whole", () => {
    const elsewhere = (host: string, origin: string) => isFromElsewhere({ host, origin });
    expect(elsewhere("a.example", "https://a.example")).toBe(false);
    expect(elsewhere("A.example", "https://a.example")).toBe(false);
    expect(elsewhere("a.example", "https://a.example.evil")).toBe(true);
    expect(elsewhere("a.example", "")).toBe(true);
  });
});
