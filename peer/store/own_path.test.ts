import { describe, expect, it } from "vitest";
import { PASS_MS, PathKey } from "../../protocol/path_pass.ts";
import { OwnPath } from "./own_path.ts";

const PATH = "/peer/file/x";
const passOf = (told: string) => told.slice(`${PATH}/`.length);

/** The pass that a supernode makes which has been told of the key when it was so old, and so long after that. */
function passBySupernode(own: OwnPath, toldAtMs: number, laterMs: number): string {
  return PathKey.told(own.message(toldAtMs), 0).pass(PATH, laterMs);
}

describe("the path to a node's own file", () => {
  it("takes the passes that a supernode makes by its key, for 10 to 20 minutes", () => {
    const own = new OwnPath(PATH, 1000);
    const pass = passBySupernode(own, 61_000, 0);
    expect(own.accepts(pass, 61_000)).toBe(true);
    expect(own.accepts(pass, 1000 + 2 * PASS_MS - 1)).toBe(true);
    expect(own.accepts(pass, 1000 + 2 * PASS_MS)).toBe(false);
    const last = passBySupernode(own, 61_000, PASS_MS - 61_000);
    expect(own.accepts(last, PASS_MS + PASS_MS)).toBe(true);
  });

  it("takes those of a supernode that is a little ahead", () => {
    const own = new OwnPath(PATH, 0);
    const pass = passBySupernode(own, 0, PASS_MS + 2000);
    expect(own.accepts(pass, PASS_MS - 1000)).toBe(true);
    expect(own.accepts(passBySupernode(own, 0, 2 * PASS_MS), PASS_MS - 1000)).toBe(false);
  });

  it("gives itself the same", () => {
    const own = new OwnPath(PATH, 0);
    expect(passOf(own.told(PASS_MS))).toBe(passBySupernode(own, 0, PASS_MS));
  });

  it("takes no pass of another path, of another key, or none", () => {
    const own = new OwnPath(PATH, 0);
    const { key } = own.message(0);
    expect(own.accepts(passOf(new OwnPath(PATH, 0).told(0)), 0)).toBe(false);
    const other = new OwnPath(`${PATH}y`, 0, key).told(0).slice(`${PATH}y/`.length);
    expect(own.accepts(other, 0)).toBe(false);
    expect(own.accepts("", 0)).toBe(false);
    expect(own.accepts(passOf(own.told(0)).slice(1), 0)).toBe(false);
  });

  it("is the same in another process that was given the key", () => {
    const own = new OwnPath(PATH, 0);
    const server = new OwnPath(PATH, 300, own.message(0).key);
    expect(server.accepts(passOf(own.told(0)), 300)).toBe(true);
  });

  it("needs no pass once a supernode knows of none, and takes those of another all the same", () => {
    const own = new OwnPath(PATH, 0);
    const pass = passOf(own.told(0));
    let opened = 0;
    own.onOpen = () => (opened += 1);
    own.open();
    own.open();
    expect(own).toMatchObject({ isOpen: true });
    expect(opened).toBe(1);
    expect(own.told(0)).toBe(PATH);
    expect(own.accepts(pass, 0)).toBe(true);
  });
});
