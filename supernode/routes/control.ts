import { type Context, Hono } from "hono";
import type * as z from "zod";
import {
  CONTROL_PREFIX,
  drainRequestSchema,
  type PreheatView,
  type Reachable,
  type Removed,
  reachableRequestSchema,
  type StatusView,
} from "../../protocol/control/messages.ts";
import { plainAddress } from "../../runtime/address_ranges.ts";
import { whyNotWritable } from "../../runtime/make_sure_writable.ts";
import type { ConnectionEnv } from "../../runtime/serve.ts";
import { thisHostAnd } from "../../runtime/this_host.ts";
import type { SupernodeViews } from "../control/views.ts";
import { BodyError, readJson } from "./request_body.ts";

export interface ControlOptions {
  views: SupernodeViews;
  status(): Promise<StatusView>;
  preheat(id: string): PreheatView | undefined;
  /** Whether nodes are at a task. */
  isBusy(taskId: string): boolean;
  /** Forgets a task, and deletes our copy of its file. */
  remove(taskId: string): Promise<Removed>;
  /** Takes no new work from now on, or takes it again. */
  drain(draining: boolean): void;
  /** See `control/call_back.ts`. */
  reach(address: string, port: number): Promise<Reachable | undefined>;
  /** Who may change something, besides this host: CIDR ranges. */
  adminClients: readonly string[];
}

type Env = { Bindings: Partial<ConnectionEnv> };

const MAX_BODY_BYTES = 4 * 1024;

/**
 * What `dfctl` and its like ask (docs/dfctl.md). To look is for everybody, as v1's `/api/v1` and
 * `/metrics` are; to change something for this host and `adminClients` only.
 */
export function controlRoutes(options: ControlOptions): Hono<Env> {
  const { views } = options;
  const isAdmin = thisHostAnd(options.adminClients);
  const app = new Hono<Env>().basePath(CONTROL_PREFIX);

  app.get("/status", async (c) => c.json(await options.status()));
  app.get("/tasks", (c) => c.json(views.tasks()));
  app.get("/peers", (c) => c.json(views.peers()));

  app.get("/tasks/:id", (c) => {
    const task = views.task(c.req.param("id"));
    return task ? c.json(task) : refuse(c, 404, `no task ${c.req.param("id")} is known here`);
  });

  app.get("/preheats/:id", (c) => {
    const preheat = options.preheat(c.req.param("id"));
    return preheat ? c.json(preheat) : refuse(c, 404, `no preheat ${c.req.param("id")} is known`);
  });

  app.post("/reachable", async (c) => {
    const { port } = await body(c, reachableRequestSchema);
    const result = await options.reach(remoteAddress(c), port);
    return result ? c.json(result) : refuse(c, 429, "too many ask at once, try again");
  });

  app.delete("/tasks/:id", async (c) => {
    const refused = refuseOthers(c);
    if (refused) return refused;
    const id = c.req.param("id");
    if (!/^[0-9a-f]{64}$/.test(id)) return refuse(c, 400, "a task id is 64 hexadecimal digits");
    if (options.isBusy(id) && c.req.query("force") !== "true")
      return refuse(
        c,
        409,
        "nodes are fetching it, and would begin anew: dfctl rm --force does it all the same",
      );
    let removed: Removed;
    try {
      removed = await options.remove(id);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      const why = whyNotWritable(error as Error);
      return refuse(c, 500, `forgot the task, but its copy cannot be deleted: ${why}`);
    }
    if (removed.task || removed.bytes > 0) return c.json(removed);
    return refuse(c, 404, `no task ${id} is known here, and no copy on disk`);
  });

  app.post("/drain", async (c) => {
    const refused = refuseOthers(c);
    if (refused) return refused;
    options.drain((await body(c, drainRequestSchema)).draining);
    return c.json(await options.status());
  });

  app.onError((error, c) => {
    if (error instanceof BodyError) return refuse(c, error.status, error.message);
    throw error;
  });
  return app;

  function refuseOthers(c: Context<Env>): Response | undefined {
    const address = remoteAddress(c);
    if (isAdmin(address, c.env?.incoming?.socket.localAddress)) return undefined;
    return refuse(
      c,
      403,
      `${plainAddress(address)} may not: only the supernode's own host, and adminClients of supernode.yml`,
    );
  }
}

/** A request without a connection, as tests make them, comes from nowhere. */
function remoteAddress(c: Context<Env>): string {
  return c.env?.incoming?.socket.remoteAddress ?? "";
}

/** A page in somebody's browser cannot send this content type to another site unasked. */
async function body<Schema extends z.ZodType>(
  c: Context<Env>,
  schema: Schema,
): Promise<z.output<Schema>> {
  if (!/^application\/json\b/i.test(c.req.header("content-type") ?? ""))
    throw new BodyError("expected content-type application/json");
  const request = schema.safeParse(await readJson(c, MAX_BODY_BYTES));
  if (request.success) return request.data;
  const issue = request.error.issues[0]!;
  throw new BodyError(`${issue.path.map(String).join(".") || "body"}: ${issue.message}`);
}

type Refusal = 400 | 403 | 404 | 409 | 413 | 429 | 500;

function refuse(c: Context, code: Refusal, message: string): Response {
  return c.json({ code, message }, code);
}
