import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { ConfigError } from "../config_error.ts";
import { readNamedFile } from "../config_file.ts";
import type { Logger } from "../logger.ts";
import { Refusals } from "./refusals.ts";
import {
  checkSignature,
  isSignedBody,
  MAX_AGE_MS,
  SIGNATURE_HEADER,
  type SignedRequest,
  signatureOf,
} from "./signature.ts";

/** Characters of a secret at least; 32 hex digits are 128 bits. */
const MIN_SECRET = 32;
const NONCE_BYTES = 12;
/** Monitoring asks for these, and cannot sign. */
const OPEN_PATHS = new Set(["/healthz", "/readyz", "/metrics"]);
/** Change nothing, so that saying them twice does no harm. */
const SAFE_METHODS = new Set(["GET", "HEAD"]);

/** What the body of a request that was let in must hash to. */
const signedBodies = new WeakMap<IncomingMessage, string>();

/** Requests signed with a secret that all programs share. It proves who asks, and hides nothing. */
export class SharedSecret {
  readonly kind = "secret";
  readonly #path: string;
  #secrets: readonly string[];
  readonly #refusals: Refusals;
  /** Nonces of requests that change something, of this span of {@link MAX_AGE_MS} and the two before. */
  #seen: Set<string>[] = [new Set(), new Set(), new Set()];
  #seenSinceMs = performance.now();

  private constructor(path: string, secrets: readonly string[], log: Logger) {
    this.#path = path;
    this.#secrets = secrets;
    this.#refusals = new Refusals(log);
  }

  /** @throws {ConfigError} naming key and file */
  static async open(path: string, log: Logger): Promise<SharedSecret> {
    return new SharedSecret(path, await load(path), log);
  }

  get files(): string[] {
    return [this.#path];
  }

  /** The header that makes a request one of ours. */
  sign(request: SignedRequest, body?: string | Uint8Array): Record<string, string> {
    const nonce = randomBytes(NONCE_BYTES).toString("base64url");
    const signature = signatureOf(this.#secrets[0]!, request, { body, nowMs: Date.now(), nonce });
    return { [SIGNATURE_HEADER]: signature };
  }

  /**
   * Why a request is refused, or nothing. Its body is looked at by who reads it: {@link hasSignedBody}.
   */
  refuse(incoming: IncomingMessage): string | undefined {
    const { method = "GET", url: target = "/", headers } = incoming;
    if (SAFE_METHODS.has(method) && OPEN_PATHS.has(target)) return undefined;
    const signature = headers[SIGNATURE_HEADER];
    const checked = checkSignature(
      this.#secrets,
      { method, target },
      typeof signature === "string" ? signature : undefined,
      Date.now(),
    );
    const refusal =
      "refusal" in checked
        ? checked.refusal
        : SAFE_METHODS.has(method) || this.#isNew(checked.nonce)
          ? undefined
          : "the request has been here before: somebody repeats it";
    if (refusal !== undefined) {
      this.#refusals.say(incoming.socket.remoteAddress, refusal, performance.now());
      return refusal;
    }
    signedBodies.set(incoming, (checked as { body: string }).body);
    return undefined;
  }

  /**
   * Reads the file again.
   *
   * @throws {ConfigError} where it cannot be used: the old secret stays
   */
  async reread(): Promise<void> {
    this.#secrets = await load(this.#path);
  }

  #isNew(nonce: string): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#seenSinceMs > MAX_AGE_MS) {
      this.#seen = [new Set(), ...this.#seen.slice(0, 2)];
      this.#seenSinceMs = nowMs;
    }
    if (this.#seen.some((nonces) => nonces.has(nonce))) return false;
    this.#seen[0]!.add(nonce);
    return true;
  }
}

/** Whether a request's body is the one that was signed; of those that need no signature any is. */
export function hasSignedBody(incoming: IncomingMessage, body: Uint8Array): boolean {
  const signed = signedBodies.get(incoming);
  return signed === undefined || isSignedBody(signed, body);
}

/** The secrets in the file, one a line: the first one signs, all are good. */
async function load(path: string): Promise<string[]> {
  const text = await readNamedFile("secretFile", path);
  const secrets = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (secrets.length > 0 && secrets.every((secret) => secret.length >= MIN_SECRET)) return secrets;
  throw new ConfigError(
    `secretFile: ${path}: expected a secret of ${MIN_SECRET} characters or more, such as \`openssl rand -hex 32\` makes`,
  );
}
