import { basename, join, resolve } from "node:path";
import { Hono, type MiddlewareHandler } from "hono";
import { peerFilePath } from "../../protocol/names.ts";
import { pathKeySchema } from "../../protocol/path_pass.ts";
import { getLogger } from "../../runtime/logger.ts";
import type { ConnectionEnv } from "../../runtime/serve.ts";
import { type Catalog, DATA_SUFFIX } from "../store/catalog.ts";
import { OwnPath } from "../store/own_path.ts";
import { plainText } from "./plain_text.ts";
import type { V1Version } from "./v1_version.ts";

type Env = { Bindings: Partial<ConnectionEnv> };

/** `<base name of the output>-<pid>-<unix seconds>`, by which dfget names its files (protocol §2). */
const SIGNED_NAME = /-\d+-\d+(\.\d+)?$/;
/** In the answer to `/check`: this server gives a file out only to those who have a pass made by the key that came with it. */
export const GUARDS_PATHS = "x-dragonfly-guards-paths";
/** Longest name that a file can have, less our suffixes. */
const MAX_NAME = 240;

const log = getLogger("dfserver");

/** v1 takes these requests from anywhere; they are of use on this host only, and others may misuse them. */
const onlyThisHost: MiddlewareHandler<Env> = async (c, next) => {
  const { remoteAddress, localAddress } = c.env?.incoming?.socket ?? {};
  if (remoteAddress !== localAddress && !/^(::ffff:)?127\.|^::1$/.test(remoteAddress ?? ""))
    return plainText(403, "only for downloads of this host");
  await next();
};

/** What the downloads of a host share: the limit on all of them together, bytes a second. */
export interface HostLimit {
  totalLimit: number;
}

/**
 * The paths by which the downloads of this host use one peer server together (protocol §2): announce
 * a file, ask for a share of the rate, tell that a download is over.
 */
export function localControl(catalog: Catalog, limit: HostLimit, v1Version: V1Version): Hono<Env> {
  const app = new Hono<Env>();
  for (const path of ["/check/*", "/rate/*", "/client/finish"]) app.use(path, onlyThisHost);

  app.get("/check/:name{.+}", (c) => {
    const name = c.req.param("name");
    const dataDir = resolve(c.req.header("dataDir") ?? catalog.dataDir);
    if (name !== basename(name) || /\p{Cc}/u.test(name) || name.length > MAX_NAME)
      return plainText(400, "invalid task file name");
    // Files announced here are handed out, and deleted when they expire: elsewhere only what dfget names.
    if (dataDir !== resolve(catalog.dataDir) && !SIGNED_NAME.test(name))
      return plainText(400, "invalid task file name: it must end in <pid>-<seconds>");
    const total = Number(c.req.header("totalLimit") ?? "0");
    if (Number.isSafeInteger(total) && total > 0) limit.totalLimit = total;
    const key = pathKeySchema.shape.key.safeParse(c.req.header("pathKey")).data;
    const known = catalog.get(name);
    // The supernode is one of v1, which its download learns when it registers.
    if (known && !key) known.ownPath?.open();
    if (!known) {
      catalog.add({
        name,
        path: join(dataDir, name + DATA_SUFFIX),
        ownPath: key ? new OwnPath(peerFilePath(name), performance.now(), key) : undefined,
        key: "",
        taskId: "",
        cid: "",
        supernode: "",
        users: 0,
        touchedMs: Date.now(),
      });
    }
    const answer = octets(`${name}@${v1Version.answer(name)}`);
    if (key) answer.headers.set(GUARDS_PATHS, "yes");
    return answer;
  });

  app.get("/rate/:name{.+}", (c) => {
    const asked = c.req.header("rateLimit") ?? "";
    if (!/^\d{1,15}$/.test(asked)) return plainText(400, `invalid rateLimit: ${asked}`);
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
