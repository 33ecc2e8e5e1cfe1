import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { Code } from "../../protocol/codes.ts";
import {
  type DigestsRequest,
  type HeartbeatRequest,
  SWARM_VERSION,
} from "../../protocol/swarm/messages.ts";
import { envelopeSchema } from "../../protocol/v1/envelope.ts";
import {
  type RegisterData,
  type RegisterRequest,
  registerDataSchema,
} from "../../protocol/v1/register.ts";
import { getLogger } from "../../runtime/logger.ts";
import type { Span } from "../../runtime/tracing/tracing.ts";
import { RegisterError } from "../tasks/admission.ts";
import { type ClientElsewhere, ClientsElsewhere, type Registration } from "./clients_elsewhere.ts";
import { type OwnerAnswer, type OwnerClient, OwnerLostError, REGISTER_MS } from "./owner_client.ts";
import type { Ownership } from "./ownership.ts";
import { taskKey } from "./task_key.ts";

/** Takes clients in where the task is ours. */
export interface LocalRegistry {
  register(request: RegisterRequest, from?: string, span?: Span): Promise<RegisterData>;
}

export interface OtherSupernodesOptions {
  ownership: Pick<Ownership, "ownerOf" | "sharing">;
  owners: Pick<OwnerClient, "ask">;
  local: LocalRegistry;
  /** A clock that never goes back, ms. */
  now: () => number;
}

/** Milliseconds between looks whether one that does not answer yet still has the task. */
const LOOK_MS = 300;
/** Owners that may be found dead in one registration: then the task is taken as our own. */
const MAX_LOST = 2;
/** Milliseconds between heartbeats of a node whose supernode is just gone. */
const LOST_HEARTBEAT_MS = 1000;

/** A heartbeat's answer, as far as it is read on its way through. */
const heartbeatSchema = z.object({ heartbeatMs: z.number(), tasks: z.array(z.unknown()) });
type Advised = z.infer<typeof heartbeatSchema>;
const registeredSchema = envelopeSchema.extend({ message: z.string().optional() });
const log = getLogger("supernode");

/**
 * Answers clients whose task another supernode has, by asking that one. Nodes of ours are told which it is and go
 * on with it; those of v1, and those that cannot reach it, stay here. A request is handed on once at most.
 */
export class OtherSupernodes implements LocalRegistry {
  readonly #options: OtherSupernodesOptions;
  readonly #clients: ClientsElsewhere;
  readonly #returning = new Map<ClientElsewhere, Promise<boolean>>();

  constructor(options: OtherSupernodesOptions) {
    this.#options = options;
    this.#clients = new ClientsElsewhere(options.now);
  }

  /** Clients that others answer by way of this supernode. */
  get clients(): number {
    return this.#clients.size;
  }

  /**
   * Registers a client with whoever has its task.
   *
   * @throws {RegisterError}
   */
  register(request: RegisterRequest, from?: string, span?: Span): Promise<RegisterData> {
    return this.#register({ request, from }, false, span);
  }

  /** @param isReturn whether it is a client of v1 that its supernode did not know any more */
  async #register(
    { request, from }: Registration,
    isReturn: boolean,
    span?: Span,
  ): Promise<RegisterData> {
    const { ownership, local } = this.#options;
    const taskUrl = request.taskURL || request.rawURL;
    const key = taskKey({ ...request, taskUrl });
    let gone: string | undefined;
    for (let lost = 0; lost <= MAX_LOST; lost++) {
      const owner = await ownership.ownerOf(key, gone);
      if (owner === undefined) break;
      try {
        return await this.#registerWith(owner, key, { request, from }, isReturn, span);
      } catch (error) {
        if (!(error instanceof OwnerLostError)) throw error;
        log.warn("{error}: its task {key} is taken over", { error: error.message, key });
        gone = owner;
      }
    }
    const data = await local.register(request, from, span);
    this.#clients.remove(data.taskId, request.cID);
    return data;
  }

  /**
   * Hands on what a v1 client says, or asks.
   *
   * @param from the address that the request came from
   * @returns the owner's answer; `wait` where it is gone and the client is with another one now; `undefined`
   *   where the client is none of those that others answer
   */
  async pass(
    path: string,
    taskId: string,
    cid: string,
    from: string | undefined,
  ): Promise<OwnerAnswer | "wait" | undefined> {
    const client = this.#clients.find(taskId, cid, from);
    if (!client) return undefined;
    try {
      const answer = await this.#options.owners.ask(client.owner, path);
      // It was started again, or has given the task away. Whom it forgets twice it does not want.
      const isForgotten = !client.isReturned && saysUnknown(answer);
      return isForgotten && (await this.#returned(client)) ? "wait" : answer;
    } catch (error) {
      if (!(error instanceof OwnerLostError)) throw error;
      return (await this.#returned(client)) ? "wait" : undefined;
    }
  }

  /** Answers a heartbeat, of whose tasks others may have some. */
  async heartbeat(
    request: HeartbeatRequest,
    own: (request: HeartbeatRequest) => Advised,
  ): Promise<Advised> {
    const owners = request.tasks.map(
      ({ taskId, cid }) => this.#clients.find(taskId, cid, undefined)?.owner,
    );
    if (owners.every((owner) => owner === undefined)) return own(request);
    const answers = new Map(
      await Promise.all(
        [...new Set(owners)].map(async (owner) => {
          const tasks = request.tasks.filter((_, index) => owners[index] === owner);
          const asked = { version: SWARM_VERSION, tasks };
          const answer = owner === undefined ? own(asked) : await this.#heartbeatTo(owner, asked);
          return [owner, answer] as const;
        }),
      ),
    );
    return {
      heartbeatMs: Math.min(...[...answers.values()].map(({ heartbeatMs }) => heartbeatMs)),
      tasks: owners.map((owner) => answers.get(owner)!.tasks.shift()),
    };
  }

  /** Hands on a question for seals; `undefined` where no other supernode has the client. */
  async digests(request: DigestsRequest): Promise<OwnerAnswer | undefined> {
    const client = this.#clients.find(request.taskId, request.cid, undefined);
    if (!client) return undefined;
    return this.#options.owners
      .ask(client.owner, "/swarm/digests", { body: request })
      .catch(() => undefined);
  }

  async #registerWith(
    owner: string,
    key: string,
    { request, from }: Registration,
    isReturned: boolean,
    span: Span | undefined,
  ): Promise<RegisterData> {
    // The owner is reached at its own address, not at ours.
    const body = { ...request, superNodeIp: "" };
    const answer = await this.#patiently(owner, key, body, span);
    const said = registeredSchema.safeParse(parseJson(answer.text));
    if (!said.success) throw new OwnerLostError(`supernode ${owner}: its answer makes no sense`);
    const { code, msg, message, data } = said.data;
    if (answer.status !== 200 || code !== Code.success)
      throw new RegisterError(code, message ?? msg ?? `supernode ${owner} answers ${code}`);
    const task = registerDataSchema.safeParse(data);
    if (!task.success) throw new OwnerLostError(`supernode ${owner}: its answer makes no sense`);
    const { taskId, swarm } = task.data;
    const registration = swarm ? undefined : { request, from };
    this.#clients.add({ taskId, cid: request.cID, owner, registration, isReturned }, from);
    return swarm ? { ...task.data, swarm: { ...swarm, at: owner } } : task.data;
  }

  /** Registers with the owner, as long as it has the task: one that is frozen loses it meanwhile. */
  async #patiently(
    owner: string,
    key: string,
    body: object,
    span: Span | undefined,
  ): Promise<OwnerAnswer> {
    const { owners, ownership } = this.#options;
    const over = new AbortController();
    const asked = owners.ask(owner, "/peer/registry", {
      body,
      answerMs: REGISTER_MS,
      signal: over.signal,
      span,
    });
    const watch = async () => {
      while (!over.signal.aborted) {
        await sleep(LOOK_MS, undefined, { signal: over.signal, ref: false });
        const owns = (await ownership.ownerOf(key)) === owner;
        if (!owns && ownership.sharing.state === "shared") over.abort();
      }
    };
    const watching = watch().catch(() => {});
    try {
      return await asked;
    } finally {
      over.abort();
      await watching;
    }
  }

  async #heartbeatTo(owner: string, request: HeartbeatRequest): Promise<Advised> {
    try {
      const { text } = await this.#options.owners.ask(owner, "/swarm/heartbeat", { body: request });
      const answer = heartbeatSchema.parse(parseJson(text));
      if (answer.tasks.length === request.tasks.length) return answer;
    } catch {
      // The nodes register again, and are told where to.
    }
    for (const { taskId, cid } of request.tasks) this.#clients.remove(taskId, cid);
    const tasks = request.tasks.map(({ taskId }) => ({ taskId, known: false }));
    return { heartbeatMs: LOST_HEARTBEAT_MS, tasks };
  }

  /**
   * Registers a client of v1 anew, whose supernode is gone or has forgotten it; what it has it says itself when it is
   * sent for it again.
   */
  async #returned(client: ClientElsewhere): Promise<boolean> {
    // Another request of it was sooner.
    if (!this.#clients.has(client)) return true;
    let returning = this.#returning.get(client);
    if (!returning) {
      returning = this.#return(client).finally(() => this.#returning.delete(client));
      this.#returning.set(client, returning);
    }
    return returning;
  }

  async #return({ taskId, cid, registration }: ClientElsewhere): Promise<boolean> {
    try {
      // What else it asks meanwhile waits for this, too: it stays known until it is with somebody else.
      if (registration) await this.#register(registration, true);
      else this.#clients.remove(taskId, cid);
      return registration !== undefined;
    } catch {
      this.#clients.remove(taskId, cid);
      return false;
    }
  }
}

/** Whether a supernode does not know the client that was asked for (protocol §1, code 502). */
function saysUnknown({ text }: OwnerAnswer): boolean {
  const said = envelopeSchema.safeParse(parseJson(text));
  return said.success && said.data.code === Code.targetNotFound;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
