import type { HttpRequestInit } from "../../runtime/http_client.ts";
import { fetchToken, parseChallenges } from "../../runtime/registry_token.ts";
import type { NodeUnderTest } from "./check.ts";
import { trustOf } from "./registry.ts";

/** Milliseconds for one answer. */
const ANSWER_MS = 10_000;
/** Bytes of an answer that is text: a manifest, a list. */
const MOST_BYTES = 8 * 1024 * 1024;

/** A registry wants credentials, and this host has none for it, or not the right ones. */
export class CredentialsWanted extends Error {}

/**
 * Asks a registry as a container engine does: without credentials first, then with what its challenge wants, a
 * token or Basic. Credentials go to the registry that asks for them, and to the token server that it names.
 */
export class RegistrySession {
  readonly #node: NodeUnderTest;
  #authorization: string | undefined;

  constructor(node: NodeUnderTest) {
    this.#node = node;
  }

  /** What later requests for blobs of the same repository are sent with. */
  get headers(): Record<string, string> {
    return this.#authorization ? { authorization: this.#authorization } : {};
  }

  /**
   * Asks for a manifest or a list.
   *
   * @throws {CredentialsWanted}
   * @throws {HttpError} where there is no answer, or no token
   */
  async text(url: string, accept: string): Promise<{ status: number; text: string }> {
    let answer = await this.#get(url, accept);
    if (answer.status === 401) {
      await this.#take(answer.headers["www-authenticate"] ?? "", url);
      answer = await this.#get(url, accept);
      if (answer.status === 401)
        throw new CredentialsWanted(`${at(url)} answers 401 to what it has asked for`);
    }
    return answer;
  }

  /** Gets what a challenge wants. */
  async #take(header: string, url: string): Promise<void> {
    const { http, credentials } = this.#node;
    const { host } = new URL(url);
    const challenges = parseChallenges(header);
    const basic = await credentials(host);
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer) {
      // Many give tokens to everybody.
      const given = await fetchToken(http, bearer, url, basic).catch((error: Error) => {
        throw new CredentialsWanted(
          basic ? error.message : `${error.message}, and there are no credentials for ${host}`,
        );
      });
      this.#authorization = `Bearer ${given.token}`;
      return;
    }
    if (!basic) throw new CredentialsWanted(`${at(url)} answers 401`);
    this.#authorization = basic;
  }

  #get(url: string, accept: string) {
    const init: HttpRequestInit = {
      headers: { ...this.headers, accept },
      tls: trustOf(this.#node, url),
      maxRedirects: 5,
      signal: AbortSignal.timeout(ANSWER_MS),
    };
    return this.#node.http.text(url, init, MOST_BYTES);
  }
}

function at(url: string): string {
  const { host, pathname } = new URL(url);
  return host + pathname;
}
