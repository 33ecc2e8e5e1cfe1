import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { Hono } from "hono";
import * as z from "zod";
import { isInBlocks } from "../../protocol/swarm/blocks.ts";
import { neighbourSchema } from "../../protocol/swarm/messages.ts";
import type { Seal } from "../../protocol/swarm/seal.ts";
import type { ConnectionEnv } from "../../runtime/serve.ts";
import { traceparentOf } from "../../runtime/tracing/tracing.ts";
import type { Catalog } from "../store/catalog.ts";
import type { TaskFile } from "../store/task_file.ts";
import { HAVE_PREFIX } from "../swarm/neighbour_link.ts";
import type { SwarmSessions } from "../swarm/swarm_sessions.ts";
import { entryAt } from "./entry_at.ts";
import { HaveBroadcast } from "./have_broadcast.ts";
import { plainText } from "./plain_text.ts";
import type { TracedServing } from "./traced_serving.ts";
import type { Uplink } from "./uplink.ts";

/** Who asks, so that we can ask back. */
const askerSchema = neighbourSchema.extend({
  port: z.coerce.number().int().min(1).max(65535),
  near: z.stringbool().default(true),
});

const NO_SEALS: readonly Seal[] = [];

type Env = { Bindings: Partial<ConnectionEnv> };

/** `GET /peer/swarm/<taskFileName>/<pass>`: what this node holds of a file, as it comes. */
export function haveRoutes(
  catalog: Catalog,
  swarms: SwarmSessions,
  uplink: Uplink,
  traced: TracedServing,
): Hono<Env> {
  const app = new Hono<Env>();
  const broadcasts = new WeakMap<TaskFile, HaveBroadcast>();
  app.get(`${HAVE_PREFIX}:name{.+}`, (c) => {
    const entry = entryAt(catalog, c.req.param("name"), "", performance.now());
    const file = entry?.file;
    if (!entry || !file || file.closed || !isInBlocks(file.layout))
      return plainText(404, "no such file in blocks here");
    entry.touchedMs = Date.now();
    const { name } = entry;
    const asker = askerSchema.safeParse(c.req.query());
    if (asker.success) swarms.met(name, asker.data);
    const { incoming, outgoing } = c.env;
    if (!incoming || !outgoing) return plainText(500, "no connection to answer on");
    let broadcast = broadcasts.get(file);
    if (!broadcast) {
      broadcast = new HaveBroadcast(file, uplink, () => swarms.digests(name)?.log ?? NO_SEALS);
      broadcasts.set(file, broadcast);
    }
    broadcast.tell(outgoing);
    traced.listens(traceparentOf(incoming.headers), outgoing, { "dragonfly.task": entry.taskId });
    return RESPONSE_ALREADY_SENT;
  });
  return app;
}
