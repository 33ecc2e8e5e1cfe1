import * as z from "zod";
import {
  CONTROL_PREFIX,
  type PeerView,
  type PreheatView,
  peerViewSchema,
  preheatViewSchema,
  type Reachable,
  type Removed,
  reachableSchema,
  removedSchema,
  type StatusView,
  statusViewSchema,
  type TaskSummary,
  type TaskView,
  taskSummarySchema,
  taskViewSchema,
} from "../protocol/control/messages.ts";
import type { HttpClient, HttpRequestInit } from "../runtime/http_client.ts";
import { ControlError } from "./control_error.ts";

/** Milliseconds for a connection, and for a whole answer. */
const CONNECT_MS = 3000;
const ANSWER_MS = 10_000;
/** Bytes of an answer: a large fleet's peers are all in one. */
const MOST_BYTES = 64 * 1024 * 1024;

const refusalSchema = z.object({ message: z.string() });
const createdSchema = z.object({ ID: z.string() });

/** What is to be preheated; see `preheatRequestSchema` (protocol/v1/preheat.ts). */
export interface PreheatOrder {
  url: string;
  type: "image" | "file";
  headers?: Record<string, string>;
  platform?: string | undefined;
}

/** A supernode is there, and takes us for none of its site's programs. */
export class RefusedError extends ControlError {}

/** One supernode, as an operator speaks to it. All that `dfctl` asks a supernode goes this way. */
export class SupernodeApi {
  /** `host:port` */
  readonly name: string;
  readonly #origin: string;
  readonly #http: HttpClient;

  constructor({ host, port }: { host: string; port: number }, http: HttpClient) {
    this.name = `${host}:${port}`;
    this.#origin = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
    this.#http = http;
  }

  status(): Promise<StatusView> {
    return this.#ask("/status", statusViewSchema);
  }

  tasks(): Promise<TaskSummary[]> {
    return this.#ask("/tasks", z.array(taskSummarySchema));
  }

  task(id: string): Promise<TaskView> {
    return this.#ask(`/tasks/${encodeURIComponent(id)}`, taskViewSchema);
  }

  peers(): Promise<PeerView[]> {
    return this.#ask("/peers", z.array(peerViewSchema));
  }

  remove(id: string, force: boolean): Promise<Removed> {
    const path = `/tasks/${encodeURIComponent(id)}${force ? "?force=true" : ""}`;
    return this.#ask(path, removedSchema, { method: "DELETE" });
  }

  drain(draining: boolean): Promise<StatusView> {
    return this.#ask("/drain", statusViewSchema, posted({ draining }));
  }

  /**
   * Whether it can reach this host's peer server.
   *
   * @param from the address of this host to ask from, and so to be called at
   */
  reachable(port: number, from?: string): Promise<Reachable> {
    return this.#ask("/reachable", reachableSchema, { ...posted({ port }), localAddress: from });
  }

  preheat(id: string): Promise<PreheatView> {
    return this.#ask(`/preheats/${encodeURIComponent(id)}`, preheatViewSchema);
  }

  /** Starts a preheat and returns its id; a supernode of v1 takes it as well. */
  async startPreheat(order: PreheatOrder): Promise<string> {
    return (await this.#call("/preheats", createdSchema, posted(order))).ID;
  }

  /**
   * Whether a supernode, of v1 perhaps, is there. Resolves with the milliseconds that took.
   *
   * @throws {RefusedError} where it is, and refuses us; {ControlError} where it is not
   */
  async ping(): Promise<number> {
    const startMs = performance.now();
    const { status, text } = await this.#send("/_ping", {});
    if (status === 200) return performance.now() - startMs;
    if (status === 401) throw new RefusedError(`supernode ${this.name}: ${text.trim()}`);
    throw new ControlError(`${this.name}: /_ping answers ${status}: no supernode listens there`);
  }

  #ask<Schema extends z.ZodType>(path: string, schema: Schema, init: HttpRequestInit = {}) {
    return this.#call(CONTROL_PREFIX + path, schema, init);
  }

  async #call<Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    init: HttpRequestInit,
  ): Promise<z.output<Schema>> {
    const { status, text } = await this.#send(path, init);
    const said = parseJson(text);
    if (status >= 200 && status < 300) {
      const answer = schema.safeParse(said);
      if (answer.success) return answer.data;
      throw new ControlError(`supernode ${this.name}: cannot make sense of its answer to ${path}`);
    }
    const refusal = refusalSchema.safeParse(said);
    if (refusal.success) throw new ControlError(`supernode ${this.name}: ${refusal.data.message}`);
    if (status === 401) throw new ControlError(`supernode ${this.name}: ${text.trim()}`);
    if (status === 404)
      throw new ControlError(
        `supernode ${this.name} does not know ${path}: is it one of v1, or an older one of ours?`,
      );
    throw new ControlError(`supernode ${this.name}: ${path} answers ${status}`);
  }

  async #send(path: string, init: HttpRequestInit): Promise<{ status: number; text: string }> {
    const signal = AbortSignal.timeout(ANSWER_MS);
    try {
      const asked = { ...init, signal, connectTimeoutMs: CONNECT_MS, own: true };
      return await this.#http.text(this.#origin + path, asked, MOST_BYTES);
    } catch (error) {
      const reason = signal.aborted
        ? `no answer within ${ANSWER_MS / 1000} s`
        : (error as Error).message;
      throw new ControlError(`supernode ${this.name}: ${reason}${adviceOn(reason)}`, {
        cause: reason,
      });
    }
  }
}

/** What to do where nobody is found at an address. */
function adviceOn(reason: string): string {
  return /ECONNREFUSED|ENOTFOUND|EAI_AGAIN/.test(reason)
    ? ". Does it run there? Others can be named by --supernode, or by `nodes` in dfget.yml"
    : "";
}

function posted(body: object): HttpRequestInit {
  return {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
