import type { IncomingMessage } from "node:http";
import { type Context, Hono } from "hono";
import * as z from "zod";
import { caseBlind } from "../../protocol/case_blind.ts";
import { createPeerSchema, type PeerAnswer, type TaskAnswer } from "../../protocol/v1/peers.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import type { ConnectionEnv } from "../../runtime/serve.ts";
import type { PieceErrorReport } from "../tasks/client_desk.ts";
import { type Peer, shownCdnStatus, type Task, taskPieceCount, wireLength } from "../tasks/task.ts";
import type { TaskStore } from "../tasks/task_store.ts";
import { BodyError, readJson } from "./request_body.ts";

export interface ApiV1Options {
  store: TaskStore;
  /** A peer handed out a bad piece, or none. */
  pieceError(report: PieceErrorReport): void;
}

type Env = { Bindings: Partial<ConnectionEnv> };

const DATA_NOT_FOUND = '{"Code":0,"Msg":"data not found"}';
const INVALID_VALUE = '{"Code":2,"Msg":"invalid value"}';
const MAX_BODY_BYTES = 64 * 1024;

/** The "v1" group of routes (protocol §1), to be mounted under `/api/v1`. */
export function apiV1Routes({ store, pieceError }: ApiV1Options): Hono<Env> {
  const app = new Hono<Env>();

  app.get("/peers", (c) => {
    const paging = pagingSchema.safeParse(c.req.query());
    if (!paging.success) return refuse(c, `invalid pageNum or pageSize: ${INVALID_VALUE}`);
    const { pageNum, pageSize } = paging.data;
    const peers = [...store.peers()].sort((a, b) => a.createdMs - b.createdMs);
    const shown = pageSize ? peers.slice(pageNum * pageSize, (pageNum + 1) * pageSize) : peers;
    return c.json(shown.map(peerAnswer));
  });

  app.post("/peers", async (c) => {
    const request = createPeerSchema.safeParse(await readJson(c, MAX_BODY_BYTES));
    if (!request.success) {
      const lines = request.error.issues.map((i) => `${i.path.join(".")} in body: ${i.message}`);
      return refuse(c, `validation failure list:\n${lines.join("\n")}: ${INVALID_VALUE}`);
    }
    const { IP: ip, hostName, port, version } = request.data;
    return c.json({ ID: store.addPeer({ ip, hostName, port, version }).id }, 201);
  });

  app.get("/peers/:id", (c) => {
    const peer = store.peer(c.req.param("id"));
    return peer ? c.json(peerAnswer(peer)) : notFound(c, c.req.param("id"));
  });

  app.delete("/peers/:id", (c) =>
    store.removePeer(c.req.param("id")) ? empty(c) : notFound(c, c.req.param("id")),
  );

  app.get("/tasks/:id", (c) => {
    const task = store.task(c.req.param("id"));
    return task ? c.json(taskAnswer(task)) : notFound(c, c.req.param("id"));
  });

  app.delete("/tasks/:id", (c) => {
    // v1 says yes for a task it does not know, too.
    store.removeTask(c.req.param("id"));
    return empty(c);
  });

  app.get("/tasks/:id/pieces/:pieceRange/error", async (c) => {
    const body = c.env?.incoming ? await readBodyOfGet(c.env.incoming) : {};
    const report = peerErrorSchema.safeParse({ ...c.req.query(), ...body });
    if (!report.success) return refuse(c, `malformed report: ${INVALID_VALUE}`);
    const { dstPid } = report.data;
    if (!dstPid) return refuse(c, 'dstPid: {"Code":1,"Msg":"value is empty"}');
    const taskId = report.data.taskId || c.req.param("id");
    const range = report.data.range || c.req.param("pieceRange");
    for (const client of store.clientsOfTask(taskId)) {
      if (client.peerId === dstPid) pieceError({ taskId, range, dstCid: client.cid });
    }
    return empty(c);
  });

  app.onError((error, c) => {
    if (error instanceof BodyError) return refuse(c, error.message, error.status);
    throw error;
  });
  return app;
}

const pagingSchema = z.object({
  pageNum: z.coerce.number().int().nonnegative().default(0),
  pageSize: z.coerce.number().int().nonnegative().default(0),
});

/** Names the culprit by its peer id, unlike `/peer/piece/error`. */
const peerErrorSchema = caseBlind(
  z.object({
    dstPid: z.string().default(""),
    taskId: z.string().default(""),
    range: z.string().default(""),
  }),
);

/** v1 clients of this route send a body with a GET, which web-standard requests do not carry. */
async function readBodyOfGet(incoming: IncomingMessage): Promise<object> {
  const length = Number(incoming.headers["content-length"] ?? 0);
  if (length === 0 || length > MAX_BODY_BYTES) return {};
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    return JSON.parse(Buffer.concat(chunks).toString()) as object;
  } catch {
    return {};
  }
}

function empty(c: Context) {
  return c.body(null, 200, { "content-length": "0" });
}

function refuse(c: Context, message: string, code: 400 | 404 | 413 = 400) {
  return c.json({ code, message }, code);
}

/** v1 says 500 here, which no program depends on: these routes are for people and their scripts. */
function notFound(c: Context, id: string) {
  return refuse(c, `failed to get key ${id} from map: ${DATA_NOT_FOUND}`, 404);
}

function peerAnswer(peer: Peer): PeerAnswer {
  return {
    ID: peer.id,
    IP: peer.ip,
    created: new Date(peer.createdMs).toISOString(),
    hostName: peer.hostName,
    port: peer.port,
    ...(peer.version ? { version: peer.version } : {}),
  };
}

/** Without the client's headers, which v1 shows; empty fields are left out, as in v1. */
function taskAnswer(task: Task): TaskAnswer {
  return {
    ID: task.id,
    cdnStatus: shownCdnStatus(task),
    ...(task.cdnSource === "supernode" ? { fileLength: wireLength(task) } : {}),
    httpFileLength: task.length,
    pieceSize: task.pieceSize,
    pieceTotal: taskPieceCount(task) ?? 0,
    rawURL: redactUrl(task.rawUrl),
    taskURL: redactUrl(task.taskUrl),
    ...(task.realMd5 ? { realMd5: task.realMd5 } : {}),
    ...(task.md5 ? { md5: task.md5 } : {}),
    ...(task.identifier ? { identifier: task.identifier } : {}),
  };
}
