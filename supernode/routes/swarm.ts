import { Hono } from "hono";
import type { z } from "zod";
import { digestsRequestSchema, heartbeatRequestSchema } from "../../protocol/swarm/messages.ts";
import type { ConnectionEnv } from "../../runtime/serve.ts";
import type { SwarmDesk } from "../swarm/swarm_desk.ts";
import { BodyError, readJson } from "./request_body.ts";

type Env = { Bindings: Partial<ConnectionEnv> };

/** Bytes of a heartbeat at most: {@link MAX_HEARTBEAT_TASKS} long reports fit. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** The routes of our own swarm (docs/protocol.md, The swarm); v1's programs never ask for them. */
export function swarmRoutes(desk: SwarmDesk): Hono<Env> {
  const app = new Hono<Env>();
  const post = <Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    answer: (request: z.output<Schema>) => object | undefined,
  ) =>
    app.post(path, async (c) => {
      const request = schema.safeParse(await readJson(c, MAX_BODY_BYTES));
      if (!request.success) {
        const issue = request.error.issues[0]!;
        const where = issue.path.map(String).join(".") || "body";
        return c.json({ code: 400, message: `${where}: ${issue.message}` }, 400);
      }
      const data = answer(request.data);
      return data ? c.json(data) : c.json({ code: 404, message: "no such client" }, 404);
    });
  post("/swarm/heartbeat", heartbeatRequestSchema, (request) => desk.heartbeat(request));
  post("/swarm/digests", digestsRequestSchema, (request) => desk.digests(request));
  app.onError((error, c) => {
    if (!(error instanceof BodyError)) throw error;
    return c.json({ code: error.status, message: error.message }, error.status);
  });
  return app;
}
