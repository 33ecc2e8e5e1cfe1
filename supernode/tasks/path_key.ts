import { passPeriod, passTo } from "../../protocol/path_pass.ts";
import type { PathKeyMessage } from "../../protocol/v1/register.ts";

/**
 * By which a client's path gets the pass that its peer server asks for. It hides itself from JSON: who has it gives
 * himself passes.
 */
export class PathKey {
  readonly #key: Uint8Array;
  readonly #bornMs: number;

  /** @param nowMs of a clock that nobody sets: the client counts its periods by another */
  constructor({ key, ageMs }: PathKeyMessage, nowMs: number) {
    this.#key = Buffer.from(key, "base64url");
    this.#bornMs = nowMs - ageMs;
  }

  pass(path: string, nowMs: number): string {
    return passTo(path, this.#key, passPeriod(nowMs - this.#bornMs));
  }

  toJSON(): string {
    return "(hidden)";
  }
}

/** A client's path as others are told it: v1's as it gave it, ours with a pass that expires. */
export function toldPath(
  { path, pathKey }: { path: string; pathKey?: PathKey | undefined },
  nowMs: number,
): string {
  return pathKey ? `${path}/${pathKey.pass(path, nowMs)}` : path;
}
