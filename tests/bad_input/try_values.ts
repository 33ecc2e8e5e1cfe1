import { expect } from "vitest";
import { type Place, type RawAnswer, type RawRequest, sendRaw } from "./raw_request.ts";

/** What a route may answer to bad input. */
export interface Expected {
  /** The statuses it may give. */
  statuses: readonly number[];
  /** Why one of them is 5xx: which program of v1 depends on it. */
  because?: string;
}

/**
 * Sends each request and expects an answer that is allowed: never 5xx unless a program of v1 depends on
 * it, a reason in words with every 4xx, nothing of the input in the headers.
 */
export async function tryAll(
  place: Place,
  requests: Readonly<Record<string, RawRequest>>,
  expected: Expected,
): Promise<void> {
  const wrong: string[] = [];
  for (const [what, request] of Object.entries(requests)) {
    const answer = await sendRaw(place, request);
    const complaint = complain(answer, expected);
    if (complaint) wrong.push(`${what}: ${complaint}: ${answer.body.slice(0, 200)}`);
  }
  expect(wrong).toEqual([]);
}

function complain(answer: RawAnswer, { statuses, because }: Expected): string | undefined {
  const { status, headers, body } = answer;
  if (!statuses.includes(status)) return `status ${status}, not ${statuses.join(" or ")}`;
  if (status >= 500 && !because) return `status ${status}, on which nothing of v1 depends`;
  if ("x-evil" in headers) return "a header that the input brought along";
  if (status >= 400 && status !== 405 && body.trim() === "") return "no reason given";
  if (/internal error|\n\s+at /.test(body)) return "an unforeseen error";
  return undefined;
}

/** `a=1&b=2`, values as they are. */
export function query(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}
