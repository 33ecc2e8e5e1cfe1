import { createHash } from "node:crypto";
import { Code } from "../../protocol/codes.ts";
import { isAnonymous } from "../../protocol/is_anonymous.ts";
import type { CdnSource } from "../../protocol/v1/register.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { isPassingStatus } from "../../runtime/passing_status.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import { inSpan, type Span } from "../../runtime/tracing/tracing.ts";
import { type Probe, probeSource } from "../seed/probe_source.ts";
import { hasFailed, type SourceAccess, type Task } from "./task.ts";

/** A registration is refused; the client goes to the source itself. */
export class RegisterError extends Error {
  override name = "RegisterError";
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a task is known by, and how its registrant gets into the source. */
export interface TaskRequest {
  rawUrl: string;
  taskUrl: string;
  md5: string;
  identifier: string;
  access: SourceAccess;
  /** The registration, in a trace. */
  span?: Span | undefined;
}

export interface AdmissionOptions {
  /** Where clients of this supernode get pieces from at first (`cdnPattern`). */
  cdnSource: CdnSource;
  http: HttpClient;
  /** How long a source that refused is not asked again, ms. */
  failAccessIntervalMs: number;
  /** A clock that nobody sets, ms: set back, it would have a yes count for longer. */
  steadyNow: () => number;
}

/** Credentials that the source accepted are not shown to it again for this long, ms. */
const ACCEPTED_MS = 60_000;
/** Entries kept at most of what the source said. */
const MAX_ANSWERS = 10_000;
/**
 * Lets the source decide who may have a file: each client is judged by its own credentials, also
 * where the supernode or others have the file already (protocol §8 on v1).
 */
export class Admission {
  readonly #options: AdmissionOptions;
  /** Probes under way, by task and credentials. */
  readonly #probes = new Map<string, { answer: Promise<Probe>; askedMs: number }>();
  /** When the source was last asked and accepted, by task and credentials; ms. */
  readonly #accepted = new Map<string, number>();
  /** Until when not to ask again, and what it said; by task and credentials. */
  readonly #refused = new Map<string, { untilMs: number; message: string }>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * Asks the source, unless it has said yes to these credentials a moment ago.
   *
   * @param known the task, where there is one already
   * @returns what the source said, where it was asked
   * @throws {RegisterError} when it refuses, or cannot be used by this supernode's pattern
   */
  async admit(
    id: string,
    request: TaskRequest,
    known: Task | undefined,
  ): Promise<Probe | undefined> {
    const { steadyNow } = this.#options;
    const key = `${id} ${credentialHash(request)}`;
    const acceptedMs = this.#accepted.get(key);
    const fresh = acceptedMs !== undefined && steadyNow() - acceptedMs <= ACCEPTED_MS;
    if (known?.isVouchedFor && !hasFailed(known) && fresh) return undefined;
    const refused = this.#refused.get(key);
    if (refused && steadyNow() < refused.untilMs)
      throw new RegisterError(Code.urlNotReachable, refused.message);
    const about = `task ${id}, ${redactUrl(request.rawUrl)}`;
    const { probe, askedMs } = await this.#probe(key, request, about);
    if (probe.kind === "refused") throw this.#refusal(probe.status, key, about);
    if (probe.kind === "unreachable")
      this.#doWithout(key, request, known, `${about}: ${probe.reason}`);
    else {
      this.#checkFit(probe, about);
      remember(this.#accepted, key, askedMs);
    }
    return probe;
  }

  /** Asks once for all who come with the same credentials at the same time. */
  async #probe(
    key: string,
    request: TaskRequest,
    about: string,
  ): Promise<{ probe: Probe; askedMs: number }> {
    const { http, cdnSource, steadyNow } = this.#options;
    let underWay = this.#probes.get(key);
    if (!underWay) {
      const { headers, tls } = request.access;
      const needRanges = cdnSource === "source";
      const attributes = { "url.full": redactUrl(request.rawUrl) };
      const traced = { kind: "client", parent: request.span, attributes } as const;
      const answer = inSpan("ask source", traced, () =>
        probeSource(http, { url: request.rawUrl, headers, tls, needRanges }),
      ).finally(() => this.#probes.delete(key));
      this.#probes.set(key, (underWay = { answer, askedMs: steadyNow() }));
    }
    try {
      return { probe: await underWay.answer, askedMs: underWay.askedMs };
    } catch (error) {
      // A header or certificate that cannot be used at all.
      throw new RegisterError(Code.badParameter, `${about}: ${(error as Error).message}`);
    }
  }

  #refusal(status: number, key: string, about: string): RegisterError {
    const { steadyNow, failAccessIntervalMs } = this.#options;
    this.#accepted.delete(key);
    if (status === 401 || status === 407)
      return new RegisterError(
        Code.needAuth,
        `${about}: authentication required, the source answers ${status}`,
      );
    const message = `${about}: url not reachable, the source answers ${status}`;
    // A source in trouble may be well again in a moment; a dead URL is not.
    const passing = isPassingStatus(status);
    if (!passing)
      remember(this.#refused, key, { untilMs: steadyNow() + failAccessIntervalMs, message });
    return new RegisterError(Code.urlNotReachable, message);
  }

  /** Whether a client may come in while the source cannot be reached. */
  #doWithout(key: string, request: TaskRequest, known: Task | undefined, about: string): void {
    // Who was let in before may have what others hold of a file that is free to all; credentials may
    // have been taken back meanwhile.
    const guarded = isGuarded(request) || (known !== undefined && isGuarded(known));
    if (known && !guarded && this.#accepted.has(key)) return;
    if (this.#options.cdnSource === "source") throw noLength(about);
    // Nobody can tell now whether the source would let this caller in.
    if (known && guarded)
      throw new RegisterError(
        Code.urlNotReachable,
        `the source cannot be asked about these credentials: ${about}`,
      );
  }

  /** Whether clients can fetch the file piece by piece, where they are to. */
  #checkFit(probe: { length: number; acceptsRanges: boolean }, about: string): void {
    if (this.#options.cdnSource !== "source") return;
    if (probe.length <= 0) throw noLength(about);
    if (!probe.acceptsRanges)
      throw new RegisterError(
        Code.systemError,
        `${about}: the source gives no parts of it (Range), which the source CDN pattern needs`,
      );
  }
}

function noLength(about: string): RegisterError {
  // v1's very words, which operators know.
  return new RegisterError(
    Code.systemError,
    `failed to get file length and it is required in source CDN pattern: ${about}`,
  );
}

/** Whether a caller shows the source something that others may not have; what is not known counts as that. */
function isGuarded({ rawUrl, access }: Pick<Task, "rawUrl" | "access">): boolean {
  return !isAnonymous(rawUrl, access.headers);
}

/** Stands for all that a caller shows to the source: the URL may carry a signature. */
function credentialHash({ rawUrl, access }: TaskRequest): string {
  const headers = Object.entries(access.headers)
    .map(([name, value]) => [name.toLowerCase(), value])
    .sort();
  return createHash("sha256")
    .update(JSON.stringify([rawUrl, headers, access.tls.insecure, access.tls.ca]))
    .digest("hex");
}

/** Adds to a map that must not grow without bounds: the oldest entry goes. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.size > MAX_ANSWERS ? map.keys().next().value : undefined;
  if (oldest !== undefined) map.delete(oldest);
}
