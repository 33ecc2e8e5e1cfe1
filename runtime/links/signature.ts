import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** The header by which a request is signed. */
export const SIGNATURE_HEADER = "x-dragonfly-signature";

/** Milliseconds by which the clocks of two programs may differ, and for which a signature is good. */
export const MAX_AGE_MS = 60_000;

const VERSION = "1";
/** Says that a request has no body. */
const NO_BODY = "-";

export interface SignedRequest {
  method: string;
  /** Path and query, as they are sent. */
  target: string;
}

/**
 * The signature of a request: `1 <ms since the epoch> <nonce> <sha256 of the body, or -> <HMAC-SHA256>`. The
 * MAC is over method, target and the fields before it, a line each.
 *
 * @param nonce base64url, another one for each request
 */
export function signatureOf(
  secret: string,
  { method, target }: SignedRequest,
  { body, nowMs, nonce }: { body?: string | Uint8Array | undefined; nowMs: number; nonce: string },
): string {
  const signed = `${VERSION} ${nowMs} ${nonce} ${body === undefined ? NO_BODY : digestOf(body)}`;
  return `${signed} ${mac(secret, method, target, signed).toString("base64url")}`;
}

/** What a good signature says; or why it is none, for people. */
export type Checked = { nonce: string; body: string } | { refusal: string };

/**
 * Checks a request's signature, but for the body, which is still to come: see {@link isSignedBody}.
 *
 * @param secrets any of which may have been used
 */
export function checkSignature(
  secrets: readonly string[],
  { method, target }: SignedRequest,
  signature: string | undefined,
  nowMs: number,
): Checked {
  if (signature === undefined) {
    return {
      refusal: "the request is not signed: this site's programs share a secret (secretFile)",
    };
  }
  const match = /^(1 (\d{1,15}) ([\w-]{16,64}) ([\w-]{43}|-)) ([\w-]{43})$/.exec(signature);
  if (!match) return { refusal: "the request's signature is of another kind" };
  const [, signed, ms, nonce, body, code] = match as unknown as string[];
  const given = Buffer.from(code!, "base64url");
  const right = secrets.some((secret) =>
    timingSafeEqual(mac(secret, method, target, signed!), given),
  );
  if (!right)
    return { refusal: "the request is signed by another secret: is secretFile the same?" };
  const ageMs = nowMs - Number(ms);
  if (Math.abs(ageMs) > MAX_AGE_MS) {
    const seconds = Math.round(Math.abs(ageMs) / 1000);
    const than = ageMs > 0 ? "before" : "after";
    return {
      refusal: `the request was signed ${seconds} s ${than} this host's time, at most ${MAX_AGE_MS / 1000} s are good: are both clocks right?`,
    };
  }
  return { nonce: nonce!, body: body! };
}

/** Whether this is the body that a signature speaks of. */
export function isSignedBody(signed: string, body: Uint8Array): boolean {
  return signed === (body.byteLength === 0 ? NO_BODY : digestOf(body));
}

function digestOf(body: string | Uint8Array): string {
  return createHash("sha256").update(body).digest("base64url");
}

function mac(secret: string, method: string, target: string, signed: string): Buffer {
  return createHmac("sha256", secret).update(`${method}\n${target}\n${signed}`).digest();
}
