import type { Dice } from "./dice.ts";
import { BREAKAGES, type HttpRequest, wellFramed } from "./http_request.ts";

/** What is sent on one connection. */
export interface Conversation {
  bytes: Buffer;
  /** How many requests that is. */
  requests: number;
  /**
   * How it ends: the server closes after its last answer; or we say that nothing more comes, and then
   * the server closes; or we hang up once an answer has begun, or at once.
   */
  ending: "close" | "end" | "heard" | "abandon";
  /** What it consists of, for a report. */
  kind: string;
}

/** A request, and what goes with it on the same connection. */
export type SomeRequest = HttpRequest & { tunnelled?: Buffer; endless?: boolean };

/** Some requests one after the other without waiting for answers, the last of which may be broken. */
export function converse(dice: Dice, request: () => SomeRequest): Conversation {
  const parts: Buffer[] = [];
  const count = dice.pick([1, 1, 1, 2, 3, 5]);
  for (let number = 1; ; number++) {
    const next = request();
    const is = (ending: Conversation["ending"], kind: string): Conversation => ({
      bytes: Buffer.concat(parts),
      requests: number,
      ending,
      kind,
    });
    if (next.tunnelled || next.endless) {
      parts.push(wellFramed(dice, next, false), next.tunnelled ?? Buffer.alloc(0));
      return is(next.endless ? "heard" : "end", next.method);
    }
    if (number < count) {
      parts.push(wellFramed(dice, next, false));
      continue;
    }
    if (dice.chance(0.6)) {
      parts.push(wellFramed(dice, next, true));
      return is(dice.chance(0.8) ? "close" : dice.pick(["end", "abandon"]), "well framed");
    }
    const kind = dice.pick(Object.keys(BREAKAGES));
    parts.push(BREAKAGES[kind]!(dice, next));
    return is(dice.chance(0.9) ? "end" : "abandon", kind);
  }
}
