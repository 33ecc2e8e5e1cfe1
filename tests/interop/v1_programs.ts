import { accessSync, constants } from "node:fs";
import { join, resolve } from "node:path";
import { describe } from "vitest";
import { ourProgram } from "../support/our_programs.ts";

/** Whose program it is: v1.0.6's, written in Go, or ours. */
export type Make = "go" | "ours";

const PROGRAMS = ["supernode", "dfget", "dfdaemon"] as const;
export type Program = (typeof PROGRAMS)[number];

/** The folder with the Go programs. */
const FOLDER = process.env.DRAGONFLY_V1_BIN;

/** The command line that starts a program. */
export function program(make: Make, name: Program): string[] {
  return make === "ours" ? ourProgram(name) : [resolve(FOLDER!, name)];
}

/** A suite that needs the Go programs; without them it is skipped, and says why. */
export function describeWithV1(name: string, body: () => void): void {
  const reason = whatIsMissing();
  if (reason === undefined) {
    describe(name, body);
    return;
  }
  console.warn(`skipped "${name}": ${reason}`);
  describe.skip(name, body);
}

function whatIsMissing(): string | undefined {
  if (!FOLDER) {
    return "the variable DRAGONFLY_V1_BIN names no folder with the Go programs supernode, dfget and dfdaemon of v1.0.6";
  }
  for (const name of PROGRAMS) {
    try {
      accessSync(join(FOLDER, name), constants.X_OK);
    } catch {
      return `DRAGONFLY_V1_BIN names ${FOLDER}, in which there is no program ${name}`;
    }
  }
  return undefined;
}

/** Who speaks to whom, where one of them is v1's. */
export const PAIRS: readonly { supernode: Make; dfget: Make }[] = [
  { supernode: "ours", dfget: "go" },
  { supernode: "go", dfget: "ours" },
];
