import { type Context, Hono } from "hono";
import type * as z from "zod";
import { digestsRequestSchema, heartbeatRequestSchema } from "../../protocol/swarm/messages.ts";
import type { ConnectionEnv } from "../../runtime/serve.ts";
import type { OtherSupernodes } from "../shared/other_supernodes.ts";
import { HANDED_ON } from "../shared/owner_client.ts";
import type { SwarmDesk } from "../swarm/swarm_desk.ts";
import { BodyError, readJson } from "./request_body.ts";

type Env = { Bindings: Partial<ConnectionEnv> };

type Answer = object | undefined;

/** Bytes of a heartbeat at most: {@link MAX_HEARTBEAT_TASKS} long reports fit. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/**
 * The routes of our own swarm (docs/protocol.md, The swarm); v1's programs never ask for them.
 *
 * @param others absent: this supernode is the only one, or each is for itself
 */
export function swarmRoutes(desk: SwarmDesk, others?: OtherSupernodes): Hono<Env> {
  const app = new Hono<Env>();
  const post = <Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    answer: (request: z.output<Schema>, c: Context<Env>) => Answer | Promise<Answer>,
  ) =>
    app.post(path, async (c) => {
      const request = schema.safeParse(await readJson(c, MAX_BODY_BYTES));
      if (!request.success) {
        const issue = request.error.issues[0]!;
        const where = issue.path.map(String).join(".") || "body";
        return c.json({ code: 400, message: `${where}: ${issue.message}` }, 400);
      }
      const data = await answer(request.data, c);
      if (data instanceof Response) return data;
      return data ? c.json(data) : c.json({ code: 404, message: "no such client" }, 404);
    });
  /** Absent also for what another supernode has handed on to us. */
  const othersFor = (c: Context<Env>) =>
    c.req.header(HANDED_ON) === undefined ? others : undefined;
  post(
    "/swarm/heartbeat",
    heartbeatRequestSchema,
    (request, c) =>
      othersFor(c)?.heartbeat(request, (own) => desk.heartbeat(own)) ?? desk.heartbeat(request),
  );
  post("/swarm/digests", digestsRequestSchema, async (request, c) => {
    const passed = await othersFor(c)?.digests(request);
    if (!passed) return desk.digests(request);
    const { status, text } = passed;
    return new Response(text, { status, headers: { "content-type": "application/json" } });
  });
  app.onError((error, c) => {
    if (!(error instanceof BodyError)) throw error;
    return c.json({ code: error.status, message: error.message }, error.status);
  });
  return app;
}
