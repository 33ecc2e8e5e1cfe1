import { type Context, Hono } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type * as z from "zod";
import { Code } from "../../protocol/codes.ts";
import { pullRequestSchema } from "../../protocol/v1/pull_piece.ts";
import { registerRequestSchema } from "../../protocol/v1/register.ts";
import {
  pieceErrorSchema,
  pieceSuccessSchema,
  serviceDownSchema,
  taskMetricsSchema,
} from "../../protocol/v1/report.ts";
import { getLogger } from "../../runtime/logger.ts";
import type { ConnectionEnv } from "../../runtime/serve.ts";
import { inSpan } from "../../runtime/tracing/tracing.ts";
import type { SupernodeObserver } from "../observer.ts";
import type { OtherSupernodes } from "../shared/other_supernodes.ts";
import { HANDED_ON } from "../shared/owner_client.ts";
import { RegisterError } from "../tasks/admission.ts";
import { type ClientDesk, UnknownClientError } from "../tasks/client_desk.ts";
import type { Registry } from "../tasks/register.ts";
import { BodyError, readJson, readText } from "./request_body.ts";

export interface LegacyOptions {
  registry: Registry;
  desk: ClientDesk;
  observer: SupernodeObserver;
  /** Absent: this supernode is the only one, or each is for itself. */
  others?: OtherSupernodes | undefined;
}

type Env = { Bindings: Partial<ConnectionEnv> };

/** Longest body taken, bytes: a registration may carry a bundle of certificates. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

const JSON_TYPE = { "content-type": "application/json" };

const log = getLogger("supernode");

/**
 * The routes by which v1 clients download (protocol §1), to be mounted also under `/v1.0` and the
 * like. An error outside the envelope is HTTP 500 with `{"code": 500, "message": …}`, as in v1, where a
 * client of v1 may cause it.
 */
export function legacyRoutes({ registry, desk, observer, others }: LegacyOptions): Hono<Env> {
  const app = new Hono<Env>();
  /** What another supernode answers to a client that is there; `wait`: it was there until now. */
  const pass = async (c: Context<Env>, taskId: string, cid: string) => {
    if (!others || isHandedOn(c)) return undefined;
    const { pathname, search } = new URL(c.req.url);
    const path = pathname.replace(/^\/v[0-9.]+(?=\/)/, "") + search;
    const answer = await others.pass(path, taskId, cid, addressOf(c));
    if (answer === undefined || answer === "wait") return answer;
    return c.body(answer.text, answer.status as ContentfulStatusCode, JSON_TYPE);
  };

  // These reports and pulls are no documents, whose head somebody may want: as in v1, HEAD is another method.
  app.use("/peer/*", async (c, next) => {
    if (c.req.method !== "HEAD") return next();
    return c.body(null, 405, { "content-length": "0" });
  });

  app.post("/peer/registry", async (c) => {
    let fields: unknown;
    try {
      fields = await readFields(c);
    } catch (error) {
      if (!(error instanceof BodyError) || error.status === 413) throw error;
      return fail(c, `failed to register: ${error.message}`);
    }
    const request = registerRequestSchema.safeParse(fields);
    if (!request.success) return fail(c, `failed to register: ${complaints(request.error)}`);
    try {
      const desk = !others || isHandedOn(c) ? registry : others;
      const data = await inSpan(
        "take in client",
        {
          kind: "server",
          parent: c.req.header("traceparent"),
          attributes: { "client.address": request.data.IP },
        },
        async (span) => {
          const answer = await desk.register(request.data, addressOf(c), span);
          span.set({ "dragonfly.task": answer.taskId, "dragonfly.swarm": !!answer.swarm });
          return answer;
        },
      );
      return c.json({ code: Code.success, msg: "success", data });
    } catch (error) {
      if (!(error instanceof RegisterError)) throw error;
      observer.clientFailed(request.data.callSystem);
      observer.problem({ kind: "refused", node: request.data.IP, text: error.message });
      return fail(c, error.message);
    }
  });

  app.get("/peer/task", async (c) => {
    const request = pullRequestSchema.safeParse(c.req.query());
    if (!request.success)
      return c.json({ code: Code.badParameter, msg: complaints(request.error) });
    const passed = await pass(c, request.data.taskId, request.data.srcCid);
    if (passed === "wait")
      return c.json({ code: Code.wait, msg: "another supernode has the task now, ask again" });
    if (passed) return passed;
    return c.json(await desk.pull(request.data, addressOf(c)));
  });

  app.get("/peer/piece/suc", async (c) => {
    const request = pieceSuccessSchema.safeParse(c.req.query());
    if (!request.success) return refuse(c, complaints(request.error));
    const { taskId, cid, pieceRange } = request.data;
    let passed = await pass(c, taskId, cid);
    // Whoever has it now does not know what it has.
    if (passed === "wait") passed = await pass(c, taskId, cid);
    if (passed && passed !== "wait") return passed;
    const from = addressOf(c);
    return reported(c, Code.pieceReported, () => desk.pieceStored(taskId, cid, pieceRange, from));
  });

  app.get("/peer/service/down", async (c) => {
    const request = serviceDownSchema.safeParse(c.req.query());
    if (!request.success) return refuse(c, complaints(request.error));
    const { taskId, cid } = request.data;
    const passed = await pass(c, taskId, cid);
    if (passed && passed !== "wait") return passed;
    const from = addressOf(c);
    return reported(c, Code.serviceDownReported, () => desk.serviceDown(taskId, cid, from));
  });

  app.get("/peer/piece/error", async (c) => {
    const report = pieceErrorSchema.parse(c.req.query());
    const passed = await pass(c, report.taskId, report.srcCid);
    if (passed === undefined) desk.pieceError(report);
    return c.body(null, 200, { "content-length": "0" });
  });

  // v1.0.6 answers these with nothing in them.
  app.post("/peer/network", (c) => c.json({ nodes: null }));
  app.post("/peer/heartbeat", (c) => c.json({ seedTaskIDs: null }));

  app.post("/task/metrics", async (c) => {
    // JSON under any content type, unlike a registration.
    const metrics = taskMetricsSchema.safeParse(await readJson(c, MAX_BODY_BYTES));
    if (!metrics.success) return refuse(c, complaints(metrics.error));
    observer.downloadReported(metrics.data);
    return c.json(null);
  });

  app.onError((error, c) => {
    if (error instanceof BodyError) return refuse(c, error.message, error.status);
    throw error;
  });
  return app;
}

/** Whether another supernode asks in the name of a client of its own. */
function isHandedOn(c: Context): boolean {
  return c.req.header(HANDED_ON) !== undefined;
}

function addressOf(c: Context<Env>): string | undefined {
  return c.env?.incoming?.socket.remoteAddress;
}

function reported(c: Context, code: Code, report: () => void) {
  try {
    report();
  } catch (error) {
    if (error instanceof UnknownClientError) return fail(c, error.message);
    if (error instanceof RangeError) return refuse(c, error.message);
    throw error;
  }
  return c.json({ code });
}

/** v1's answer to all that went wrong: its clients then go to the source, and nobody shows what it was. */
function fail(c: Context, message: string) {
  log.info("{method} {path}: {message}", { method: c.req.method, path: c.req.path, message });
  return c.json({ code: Code.systemError, message }, 500);
}

/** What no client of v1 sends. */
function refuse(c: Context, message: string, code: 400 | 413 = 400) {
  return c.json({ code, message }, code);
}

/**
 * A body as JSON where it says so, else as a form, as v1 reads it.
 *
 * @throws {BodyError}
 */
async function readFields(c: Context): Promise<unknown> {
  if (/^application\/json\b/i.test(c.req.header("content-type") ?? ""))
    return readJson(c, MAX_BODY_BYTES);
  const form: Record<string, string | string[]> = {};
  for (const [name, value] of new URLSearchParams(await readText(c, MAX_BODY_BYTES))) {
    if (/^(headers|rootCAs)$/i.test(name)) {
      const earlier = form[name];
      form[name] = Array.isArray(earlier) ? [...earlier, value] : [value];
    } else form[name] = value;
  }
  return form;
}

function complaints(error: z.ZodError): string {
  return error.issues
    .map(({ path, message }) => `${path.map(String).join(".") || "body"}: ${message}`)
    .join("; ");
}
