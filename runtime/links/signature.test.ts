import { describe, expect, it } from "vitest";
import { checkSignature, isSignedBody, MAX_AGE_MS, signatureOf } from "./signature.ts";

const secret = "an old secret that is long enough";
const other = "another secret that is long enough";
const request = { method: "POST", target: "/swarm/heartbeat?a=b" };
const nowMs = 1_795_513_200_000;
const nonce = "abcdefghijklmnop";
const body = '{"tasks":[]}';
const signature = signatureOf(secret, request, { body, nowMs, nonce });

/** What a check by these secrets says of a request. */
function refusal(given: Partial<typeof request> & { signature?: string; atMs?: number }) {
  const { signature: shown = signature, atMs = nowMs, ...changed } = given;
  const checked = checkSignature([secret], { ...request, ...changed }, shown, atMs);
  return "refusal" in checked ? checked.refusal : undefined;
}

describe("checkSignature", () => {
  it("lets in what was signed by one of the secrets", () => {
    const checked = checkSignature([other, secret], request, signature, nowMs);
    expect(checked).toMatchObject({ nonce });
    expect(refusal({})).toBeUndefined();
  });

  it("refuses no signature, another secret, and what is no signature", () => {
    expect(checkSignature([secret], request, undefined, nowMs)).toMatchObject({
      refusal: expect.stringContaining("is not signed"),
    });
    const wrong = signatureOf(other, request, { body, nowMs, nonce });
    expect(refusal({ signature: wrong })).toContain("by another secret");
    for (const one of ["", "1", `2${signature.slice(1)}`, `${signature} x`, `${signature}A`])
      expect(refusal({ signature: one })).toContain("of another kind");
  });

  it("refuses a signature that was made for something else, or changed", () => {
    expect(refusal({ method: "DELETE" })).toContain("by another secret");
    expect(refusal({ target: "/swarm/heartbeat?a=c" })).toContain("by another secret");
    const [version, ms, , ...rest] = signature.split(" ");
    const later = [version, Number(ms) + 1, nonce, ...rest].join(" ");
    expect(refusal({ signature: later })).toContain("by another secret");
    const renamed = [version, ms, "ponmlkjihgfedcba", ...rest].join(" ");
    expect(refusal({ signature: renamed })).toContain("by another secret");
  });

  it("refuses what is older than a minute, or from a clock that goes before, and says so", () => {
    expect(refusal({ atMs: nowMs + MAX_AGE_MS })).toBeUndefined();
    expect(refusal({ atMs: nowMs - MAX_AGE_MS })).toBeUndefined();
    expect(refusal({ atMs: nowMs + 95_000 })).toBe(
      "the request was signed 95 s before this host's time, at most 60 s are good: are both clocks right?",
    );
    expect(refusal({ atMs: nowMs - 3_600_000 })).toContain("3600 s after");
  });

  it("says what body was signed", () => {
    const checked = checkSignature([secret], request, signature, nowMs) as { body: string };
    expect(isSignedBody(checked.body, Buffer.from(body))).toBe(true);
    expect(isSignedBody(checked.body, Buffer.from('{"tasks":[1]}'))).toBe(false);
    expect(isSignedBody(checked.body, Buffer.alloc(0))).toBe(false);
    const bare = signatureOf(secret, request, { nowMs, nonce });
    const none = checkSignature([secret], request, bare, nowMs) as { body: string };
    expect(isSignedBody(none.body, Buffer.alloc(0))).toBe(true);
    expect(isSignedBody(none.body, Buffer.from("x"))).toBe(false);
  });
});
