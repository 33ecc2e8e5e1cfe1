import { createHash } from "node:crypto";
import { formatDigest, parseDigest } from "../../protocol/digest.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import { type Challenge, fetchToken, parseChallenges } from "../../runtime/registry_token.ts";
import { choosePlatforms, MANIFEST_TYPES, type Platform, parseManifest } from "./manifest.ts";
import { PreheatError } from "./preheat_error.ts";

/** Indexes within indexes are legal, but nobody needs more than this. */
const MAX_DEPTH = 4;
/** Manifests are at most 4 MiB (OCI distribution specification). */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** The parts of `scheme://host/v2/<name>/manifests/<ref>`. */
export interface ImageUrl {
  /** `scheme://host/v2/<name>` */
  repository: string;
  /** A tag or a digest. */
  reference: string;
}

/** Reads an image's manifest URL; `undefined` where it is none. */
export function parseImageUrl(url: string): ImageUrl | undefined {
  const match = /^(https?:\/\/[^/]+\/v2\/.+)\/manifests\/([^/?#]+)$/.exec(url);
  return match ? { repository: match[1]!, reference: match[2]! } : undefined;
}

/** An image's files: where they are, and the headers to ask for them with at this moment. */
export interface ImageBlobs {
  urls: string[];
  headers(): Promise<Record<string, string>>;
}

/**
 * Finds all blobs of an image: layers and configurations of its manifest, or of each manifest of its
 * index (for `platform` only, where given). Follows the registry's Bearer challenge: Basic
 * credentials among `headers` go to the token server, the token with all later requests.
 *
 * @throws {PreheatError|HttpError} when the registry does not hand out the manifest
 */
export async function resolveImage(
  client: HttpClient,
  image: ImageUrl,
  headers: Readonly<Record<string, string>>,
  platform?: Platform,
): Promise<ImageBlobs> {
  const session = new RegistrySession(client, headers);
  const blobs = new Set<string>();
  const visit = async (reference: string, depth: number): Promise<void> => {
    const url = `${image.repository}/manifests/${reference}`;
    const manifest = parseManifest(await session.manifest(url, reference));
    if (manifest.kind === "image") {
      for (const digest of manifest.blobs) blobs.add(digest);
      return;
    }
    if (depth === MAX_DEPTH) throw new PreheatError(`${redactUrl(url)}: indexes nested too deep`);
    for (const entry of choosePlatforms(manifest.manifests, platform)) {
      await visit(entry.digest, depth + 1);
    }
  };
  await visit(image.reference, 1);
  return {
    urls: [...blobs].map((digest) => `${image.repository}/blobs/${digest}`),
    headers: () => session.headers(),
  };
}

/** Requests to one repository, with a token that is renewed when it is about to expire. */
class RegistrySession {
  readonly #client: HttpClient;
  readonly #given: Record<string, string>;
  readonly #authorization: string | undefined;
  #challenge: { challenge: Challenge; url: string } | undefined;
  #token: { value: string; renewAtMs: number } | undefined;

  constructor(client: HttpClient, headers: Readonly<Record<string, string>>) {
    this.#client = client;
    const entries = Object.entries(headers);
    const isAuthorization = ([name]: [string, string]) => name.toLowerCase() === "authorization";
    this.#authorization = entries.find(isAuthorization)?.[1];
    this.#given = Object.fromEntries(entries.filter((entry) => !isAuthorization(entry)));
  }

  async headers(): Promise<Record<string, string>> {
    if (!this.#challenge) return this.#with(this.#authorization);
    if (!this.#token || performance.now() >= this.#token.renewAtMs) {
      const { challenge, url } = this.#challenge;
      const basic = /^basic /i.test(this.#authorization ?? "") ? this.#authorization : undefined;
      const { token, lifetimeMs } = await fetchToken(this.#client, challenge, url, basic);
      this.#token = { value: token, renewAtMs: performance.now() + lifetimeMs * 0.8 };
    }
    return this.#with(`Bearer ${this.#token.value}`);
  }

  async manifest(url: string, reference: string): Promise<string> {
    let answer = await this.#get(url);
    if (answer.status === 401 && !this.#challenge) {
      const challenges = parseChallenges(answer.headers["www-authenticate"] ?? "");
      const challenge = challenges.find(({ scheme }) => scheme === "bearer");
      if (challenge) {
        this.#challenge = { challenge, url };
        answer = await this.#get(url);
      }
    }
    if (answer.status !== 200) {
      const hint = answer.status === 401 ? " (give credentials in the request's headers)" : "";
      throw new PreheatError(`${redactUrl(url)} answered ${answer.status}${hint}`);
    }
    const digest = parseDigest(reference);
    if (digest && createHash("sha256").update(answer.text).digest("hex") !== digest.hex) {
      throw new PreheatError(`${redactUrl(url)}: the manifest is not ${formatDigest(digest)}`);
    }
    return answer.text;
  }

  async #get(url: string) {
    const headers = { ...(await this.headers()), accept: MANIFEST_TYPES.join(", ") };
    return this.#client.text(url, { headers, maxRedirects: 5 }, MAX_MANIFEST_BYTES);
  }

  #with(authorization: string | undefined): Record<string, string> {
    return authorization ? { ...this.#given, Authorization: authorization } : { ...this.#given };
  }
}
