import { basename, join } from "node:path";
import { Hono } from "hono";
import { getLogger } from "../../runtime/logger.ts";
import { VERSION } from "../../runtime/version.ts";
import { type Catalog, DATA_SUFFIX } from "../store/catalog.ts";
import { plainText } from "./plain_text.ts";

const log = getLogger("dfserver");

/** What the downloads of a host share: the limit on all of them together, bytes a second. */
export interface HostLimit {
  totalLimit: number;
}

/**
 * The paths by which the downloads of this host use one peer server together (protocol §2): announce
 * a file, ask for a share of the rate, tell that a download is over.
 */
export function localControl(catalog: Catalog, limit: HostLimit): Hono {
  const app = new Hono();

  app.get("/check/:name{.+}", (c) => {
    const name = c.req.param("name");
    const dataDir = c.req.header("dataDir") ?? catalog.dataDir;
    const total = Number(c.req.header("totalLimit") ?? "0");
    if (Number.isSafeInteger(total) && total > 0) limit.totalLimit = total;
    if (name !== basename(name)) return plainText(400, "invalid task file name");
    if (!catalog.get(name)) {
      catalog.add({
        name,
        path: join(dataDir, name + DATA_SUFFIX),
        key: "",
        taskId: "",
        cid: "",
        supernode: "",
        users: 0,
        touchedMs: Date.now(),
      });
    }
    return octets(`${name}@${VERSION}`);
  });

  app.get("/rate/:name{.+}", (c) => {
    const asked = c.req.header("rateLimit") ?? "";
    if (!/^\d+$/.test(asked)) return plainText(400, `invalid rateLimit: ${asked}`);
    const entry = catalog.get(c.req.param("name"));
    if (entry) entry.touchedMs = Date.now();
    if (limit.totalLimit <= 0) return octets(asked);
    // A download that has not told its end yet has no task id here.
    const running = [...catalog.entries()].filter(
      (other) => !other.file && other.taskId === "",
    ).length;
    const share = Math.floor(limit.totalLimit / Math.max(1, running));
    const rate = Number(asked) > 0 ? Math.min(Number(asked), share) : share;
    return octets(String(rate));
  });

  app.get("/client/finish", (c) => {
    const { taskFileName, cid, taskID, superNode } = c.req.query();
    if (!taskFileName || !cid || !taskID) {
      return octets("invalid params", 400);
    }
    const entry = catalog.get(taskFileName);
    if (entry && !entry.file) {
      entry.cid = cid;
      entry.taskId = taskID;
      entry.supernode = superNode ?? "";
      entry.touchedMs = Date.now();
      log.info("{name} is finished and served", { name: taskFileName });
    }
    return octets("success");
  });

  app.get("/server/ping", () => octets("success"));
  return app;
}

function octets(text: string, status = 200): Response {
  return new Response(text, { status, headers: { "content-type": "application/octet-stream" } });
}
