import * as z from "zod";
import { type ClientStatus, Code, type PieceResult } from "../../protocol/codes.ts";
import type { PathKeyMessage } from "../../protocol/path_pass.ts";
import { type ByteRange, formatRange } from "../../protocol/piece_range.ts";
import {
  type DigestsAnswer,
  type DigestsRequest,
  digestsAnswerSchema,
  type HeartbeatAnswer,
  type HeartbeatRequest,
  heartbeatAnswerSchema,
  type JoinRequest,
} from "../../protocol/swarm/messages.ts";
import { envelopeSchema } from "../../protocol/v1/envelope.ts";
import {
  type FinishedData,
  finishedDataSchema,
  type PieceTask,
  pieceTasksSchema,
} from "../../protocol/v1/pull_piece.ts";
import { type RegisterData, registerDataSchema } from "../../protocol/v1/register.ts";
import type { PieceErrorType, TaskMetrics } from "../../protocol/v1/report.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { HttpError } from "../../runtime/http_error.ts";
import { type Span, traceHeaders } from "../../runtime/tracing/tracing.ts";
import type { SupernodeAddress } from "../contract.ts";
import { InTurn } from "./in_turn.ts";

/** What a client says of itself and its task when it registers (protocol §1). */
export interface Registration {
  rawUrl: string;
  taskUrl: string;
  cid: string;
  ip: string;
  hostName: string;
  /** Port of the peer server; 0: this client cannot serve. */
  port: number;
  /** `/peer/file/<taskFileName>`. */
  path: string;
  /** A supernode of v1 passes over it. */
  pathKey?: PathKeyMessage | undefined;
  version: string;
  md5?: string | undefined;
  identifier?: string | undefined;
  callSystem?: string | undefined;
  /** `"Name:value"` each. */
  headers?: string[];
  dfdaemon?: boolean | undefined;
  insecure?: boolean | undefined;
  /** base64 of PEM each. */
  rootCAs?: string[] | undefined;
  pattern?: string | undefined;
  /** Checks pieces by sha256; a supernode of v1 passes over it. */
  pieceSha256: true;
  /** Takes part in our own swarm; a supernode of v1 passes over it. */
  swarm?: JoinRequest | undefined;
}

/** How the last piece went, told with the next pull. */
export interface PieceOutcome {
  range: ByteRange;
  dstCid: string;
  result: PieceResult;
}

/** What the supernode answers to a pull. */
export type PullAnswer =
  | { kind: "pieces"; pieces: PieceTask[] }
  | { kind: "wait" }
  | { kind: "finished"; data: FinishedData }
  | { kind: "ended"; code: number; message: string };

/** The supernode cannot be reached, or what answers is not one. */
export class SupernodeLostError extends Error {
  override name = "SupernodeLostError";
  /** Whether its host says that nobody listens there: it is not just busy. */
  readonly refused: boolean;
  constructor(message: string, refused = false) {
    super(message);
    this.refused = refused;
  }
}

/** The supernode is there and says no. */
export class RegisterRefusedError extends Error {
  override name = "RegisterRefusedError";
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Milliseconds for a TCP connection to a supernode: a dead one must not hold up a pull. */
const CONNECT_MS = 400;
/** Milliseconds for the answer to a ping. */
const PING_MS = 1000;
/** Milliseconds for any answer but a registration's, which may wait for the source. */
const ANSWER_MS = 5000;

/** Milliseconds for which one registration waits for another: more than a supernode takes for 1,000. */
const TURN_MS = 400;

/** The v1 API of one supernode, as a client speaks it. */
export class SupernodeClient {
  readonly address: SupernodeAddress;
  readonly #base: string;
  readonly #http: HttpClient;
  readonly #registrations = new InTurn(TURN_MS);
  /** How it was last found not to answer, and when (`performance.now()`). */
  #lost: { error: SupernodeLostError; atMs: number } | undefined;

  constructor(address: SupernodeAddress, http: HttpClient) {
    this.address = address;
    this.#base = `http://${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
    this.#http = http;
  }

  /** `host:port`, for messages. */
  get name(): string {
    return `${this.address.host}:${this.address.port}`;
  }

  /**
   * Registers a client and its task. When thousands of nodes start at once, each with several layers, a
   * supernode has a second's work: registering for one layer after the other gives each node something
   * to do in half the time.
   *
   * @param answerMs milliseconds to wait for the answer, in which the supernode asks the source
   * @param span the registration, in a trace
   * @throws {SupernodeLostError | RegisterRefusedError}
   */
  async register(
    registration: Registration,
    answerMs: number,
    signal?: AbortSignal,
    span?: Span,
  ): Promise<RegisterData> {
    const body = { superNodeIp: this.address.host, ...registration };
    const askedMs = performance.now();
    const answer = await this.#registrations.run(async () => {
      // Another has found out meanwhile.
      if (this.#lost && this.#lost.atMs >= askedMs) throw this.#lost.error;
      return this.#call("/peer/registry", { body, answerMs, signal, span });
    });
    const {
      code,
      msg,
      message,
      data: task,
    } = this.#parse(answer.text, envelopeSchema.extend({ message: z.string().optional() }));
    if (answer.status !== 200 || code !== Code.success) {
      throw new RegisterRefusedError(code, message ?? msg ?? `code ${code}`);
    }
    const data = registerDataSchema.safeParse(task);
    if (!data.success) throw this.#garbled("a registration without a task");
    return data.data;
  }

  /** Asks for pieces, telling how the last one went. */
  async pull(
    taskId: string,
    cid: string,
    status: ClientStatus,
    outcome: Partial<PieceOutcome> & { result: PieceResult },
    signal?: AbortSignal,
  ): Promise<PullAnswer> {
    const query = new URLSearchParams({
      srcCid: cid,
      dstCid: outcome.dstCid ?? "",
      range: outcome.range ? formatRange(outcome.range) : "",
      result: String(outcome.result),
      status: String(status),
      taskId,
    });
    const answer = await this.#call(`/peer/task?${query}`, { signal });
    const body = this.#parse(answer.text, envelopeSchema);
    switch (body.code) {
      case Code.continue: {
        const pieces = pieceTasksSchema.safeParse(body.data);
        if (!pieces.success) throw this.#garbled("pieces that cannot be read");
        return { kind: "pieces", pieces: pieces.data };
      }
      case Code.success:
      case Code.wait:
      case Code.peerLimited:
        return { kind: "wait" };
      case Code.finished:
        return { kind: "finished", data: finishedDataSchema.parse(body.data ?? {}) };
      default:
        return { kind: "ended", code: body.code, message: body.msg ?? "" };
    }
  }

  /** Tells that this client holds a piece now. */
  async reportPiece(taskId: string, cid: string, dstCid: string, range: ByteRange): Promise<void> {
    const query = new URLSearchParams({ taskId, cid, dstCid, pieceRange: formatRange(range) });
    await this.#call(`/peer/piece/suc?${query}`);
  }

  /** Tells that a peer handed out a bad piece. */
  async reportPieceError(error: {
    taskId: string;
    srcCid: string;
    dstCid: string;
    dstIp: string;
    range: ByteRange;
    realMd5: string;
    expectedMd5: string;
    errorType: PieceErrorType;
  }): Promise<void> {
    const query = new URLSearchParams({ ...error, range: formatRange(error.range) });
    await this.#call(`/peer/piece/error?${query}`);
  }

  /** Tells that this client no longer serves this task. */
  async reportServiceDown(taskId: string, cid: string): Promise<void> {
    await this.#call(`/peer/service/down?${new URLSearchParams({ taskId, cid })}`);
  }

  /** Tells how this node's downloads in our own swarm go. */
  async heartbeat(request: HeartbeatRequest): Promise<HeartbeatAnswer> {
    const answer = await this.#call("/swarm/heartbeat", { body: request });
    return this.#parse(answer.text, heartbeatAnswerSchema);
  }

  /** Asks for the seals of blocks that have come without them. */
  async digests(request: DigestsRequest): Promise<DigestsAnswer> {
    const answer = await this.#call("/swarm/digests", { body: request });
    return this.#parse(answer.text, digestsAnswerSchema);
  }

  /** Whether it is there; never rejects. */
  async answers(): Promise<boolean> {
    const signal = AbortSignal.timeout(PING_MS);
    const asked = { signal, connectTimeoutMs: CONNECT_MS, fresh: true, own: true };
    const answer = await this.#http.text(`${this.#base}/_ping`, asked).catch(() => undefined);
    return answer?.status === 200;
  }

  /** Tells how a whole download went. */
  async reportMetrics(metrics: TaskMetrics): Promise<void> {
    await this.#call("/task/metrics", { body: metrics });
  }

  async #call(
    path: string,
    options: {
      body?: unknown;
      answerMs?: number;
      signal?: AbortSignal | undefined;
      span?: Span | undefined;
    } = {},
  ): Promise<{ status: number; text: string }> {
    const deadline = AbortSignal.timeout((options.answerMs ?? ANSWER_MS) + CONNECT_MS);
    const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
    try {
      const answer = await this.#http.text(`${this.#base}${path}`, {
        ...(options.body === undefined
          ? {}
          : {
              method: "POST",
              headers: {
                "content-type": "application/json;charset=utf-8",
                ...traceHeaders(options.span),
              },
              body: JSON.stringify(options.body),
            }),
        connectTimeoutMs: CONNECT_MS,
        signal,
        own: true,
      });
      // v1's supernode never answers so: ours does where its programs share a secret.
      if (answer.status === 401) throw new HttpError(`it refuses us: ${answer.text.trim()}`);
      return answer;
    } catch (error) {
      if (options.signal?.aborted) throw error;
      const reason = deadline.aborted
        ? `no answer within ${options.answerMs ?? ANSWER_MS} ms`
        : error instanceof HttpError
          ? error.message
          : String(error);
      const lost = new SupernodeLostError(`supernode ${this.name}: ${reason}`, isRefusal(error));
      this.#lost = { error: lost, atMs: performance.now() };
      throw lost;
    }
  }

  #parse<Schema extends z.ZodType>(text: string, schema: Schema): z.output<Schema> {
    try {
      return schema.parse(JSON.parse(text));
    } catch {
      throw this.#garbled("no envelope");
    }
  }

  #garbled(what: string): SupernodeLostError {
    return new SupernodeLostError(`supernode ${this.name}: its answer makes no sense (${what})`);
  }
}

/** A name with several addresses fails with one error for each of them. */
function isRefusal(error: unknown): boolean {
  const { cause } = error as Error;
  const causes = cause instanceof AggregateError ? (cause.errors as unknown[]) : [cause];
  return causes.every((one) => (one as NodeJS.ErrnoException | undefined)?.code === "ECONNREFUSED");
}
