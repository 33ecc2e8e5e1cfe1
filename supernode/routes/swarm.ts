import { Hono } from "hono";
import { heartbeatRequestSchema } from "../../protocol/swarm/messages.ts";
import type { ConnectionEnv } from "../../runtime/serve.ts";
import type { SwarmDesk } from "../swarm/swarm_desk.ts";

type Env = { Bindings: Partial<ConnectionEnv> };

/** Bytes of a heartbeat at most: {@link MAX_HEARTBEAT_TASKS} long reports fit. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** The routes of our own swarm (docs/protocol.md, The swarm); v1's programs never ask for them. */
export function swarmRoutes(desk: SwarmDesk): Hono<Env> {
  const app = new Hono<Env>();
  app.post("/swarm/heartbeat", async (c) => {
    if (Number(c.req.header("content-length") ?? 0) > MAX_BODY_BYTES)
      return c.json({ code: 413, message: `a heartbeat has at most ${MAX_BODY_BYTES} bytes` }, 413);
    const body = await c.req.json().catch(() => undefined);
    const request = heartbeatRequestSchema.safeParse(body);
    if (!request.success) {
      const issue = request.error.issues[0]!;
      const where = issue.path.map(String).join(".") || "body";
      return c.json({ code: 400, message: `${where}: ${issue.message}` }, 400);
    }
    return c.json(desk.heartbeat(request.data));
  });
  return app;
}
