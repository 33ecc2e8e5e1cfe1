import { Hono } from "hono";
import { z } from "zod";
import { BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { neighbourSchema } from "../../protocol/swarm/messages.ts";
import type { Catalog } from "../store/catalog.ts";
import { HAVE_PREFIX } from "../swarm/neighbour_link.ts";
import type { SwarmSessions } from "../swarm/swarm_sessions.ts";
import { haveStream } from "./have_stream.ts";
import { plainText } from "./plain_text.ts";
import type { Uplink } from "./uplink.ts";

/** Who asks, so that we can ask back. */
const askerSchema = neighbourSchema.extend({
  port: z.coerce.number().int().min(1).max(65535),
  near: z.stringbool().default(true),
});

/** `GET /peer/swarm/<taskFileName>`: what this node holds of a file, as it comes. */
export function haveRoutes(catalog: Catalog, swarms: SwarmSessions, uplink: Uplink): Hono {
  const app = new Hono();
  app.get(`${HAVE_PREFIX}:name`, (c) => {
    const name = c.req.param("name");
    const entry = catalog.get(name);
    const file = entry?.file;
    if (
      !entry ||
      !file ||
      file.closed ||
      file.layout.framed ||
      file.layout.pieceSize !== BLOCK_BYTES
    )
      return plainText(404, "no such file in blocks here");
    entry.touchedMs = Date.now();
    const asker = askerSchema.safeParse(c.req.query());
    if (asker.success) swarms.met(name, asker.data);
    return new Response(haveStream(file, uplink), {
      headers: { "content-type": "application/octet-stream" },
    });
  });
  return app;
}
