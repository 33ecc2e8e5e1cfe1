import type { HttpClient } from "../../runtime/http_client.ts";
import { HttpError } from "../../runtime/http_error.ts";
import { type Span, traceHeaders } from "../../runtime/tracing/tracing.ts";

/** Another supernode does not answer, or not as one of ours does: its tasks are to be taken over. */
export class OwnerLostError extends Error {
  override name = "OwnerLostError";
}

/**
 * Says that a request has been handed on by another supernode: it is answered here and not handed on again,
 * so that no request goes round in circles. A program that says so unasked gets no more than it would get anyway.
 */
export const HANDED_ON = "x-dragonfly-handed-on";

/** Milliseconds for a connection: supernodes of one site are near each other. */
const CONNECT_MS = 400;
/** Milliseconds for any answer but a registration's. */
const ANSWER_MS = 2000;
/** … for a registration's, in which the source may be asked: as long as nodes wait for it. */
export const REGISTER_MS = 3000;

export interface OwnerAnswer {
  status: number;
  text: string;
}

/** Speaks to other supernodes of the site, as one of them: by TLS, or signed, where ours do so. */
export class OwnerClient {
  readonly #http: HttpClient;
  readonly #self: () => string;

  /** @param self this supernode, `address:port` */
  constructor(http: HttpClient, self: () => string) {
    this.#http = http;
    this.#self = self;
  }

  /**
   * Asks another supernode in the name of a client of it.
   *
   * @param owner `address:port`
   * @param options.span what its answer belongs to, in a trace
   * @throws {OwnerLostError}
   */
  async ask(
    owner: string,
    path: string,
    options: {
      body?: object;
      answerMs?: number;
      signal?: AbortSignal;
      span?: Span | undefined;
    } = {},
  ): Promise<OwnerAnswer> {
    const { body, answerMs = ANSWER_MS } = options;
    const deadline = AbortSignal.timeout(answerMs);
    const signal = options.signal ? AbortSignal.any([deadline, options.signal]) : deadline;
    try {
      const { status, text } = await this.#http.text(`http://${owner}${path}`, {
        ...(body ? { method: "POST", body: JSON.stringify(body) } : {}),
        headers: {
          [HANDED_ON]: this.#self(),
          ...traceHeaders(options.span),
          ...(body ? { "content-type": "application/json;charset=utf-8" } : {}),
        },
        connectTimeoutMs: CONNECT_MS,
        signal,
        own: true,
      });
      if (status !== 401) return { status, text };
      throw new HttpError(`it refuses us: ${text.trim()}`);
    } catch (error) {
      const reason = deadline.aborted
        ? `no answer within ${answerMs} ms`
        : (error as Error).message;
      throw new OwnerLostError(`supernode ${owner}: ${reason}`);
    }
  }

  /** Whether a supernode answers us; never rejects. */
  async answers(owner: string): Promise<boolean> {
    const answer = await this.ask(owner, "/_ping").catch(() => undefined);
    return answer?.status === 200;
  }
}
