import { type Context, Hono } from "hono";
import type { PreheatAnswer } from "../../protocol/v1/preheat.ts";
import { preheatRequestSchema } from "../../protocol/v1/preheat.ts";
import { parseImageUrl } from "../preheat/image.ts";
import type { PreheatJob, PreheatJobs } from "../preheat/preheat.ts";
import { PreheatError } from "../preheat/preheat_error.ts";
import { HANDED_ON } from "../shared/owner_client.ts";
import { BodyError, readJson } from "./request_body.ts";

/** Requests hold a URL and a few headers; this is more than any needs. */
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * `/preheats` (protocol §1, Preheat), to be mounted under `/` and `/api/v1`.
 *
 * @param isDraining whether no new work is taken
 */
export function preheatRoutes(jobs: PreheatJobs, isDraining = () => false): Hono {
  const app = new Hono();

  app.post("/preheats", async (c) => {
    if (isDraining()) return refuse(c, 503, "this supernode is draining: use another one");
    // v1 reads JSON whatever the content type says.
    const body = await readJson(c, MAX_BODY_BYTES);
    const request = preheatRequestSchema.safeParse(body);
    if (!request.success) return refuse(c, 400, validationText(body, request.error.issues));
    if (request.data.type === "image" && !parseImageUrl(request.data.url)) {
      return refuse(
        c,
        400,
        "validation failure list:\nurl in body should be scheme://host/v2/<name>/manifests/<ref> for an image",
      );
    }
    try {
      return c.json({ ID: jobs.create(request.data, c.req.header(HANDED_ON) !== undefined) }, 201);
    } catch (error) {
      if (!(error instanceof PreheatError)) throw error;
      return refuse(c, 429, error.message);
    }
  });

  app.get("/preheats", (c) => c.json(jobs.list().map(listEntry)));

  app.get("/preheats/:id", (c) => {
    const job = jobs.get(c.req.param("id"));
    return job ? c.json(answer(job)) : refuse(c, 404, `${c.req.param("id")} doesn't exists`);
  });

  app.delete("/preheats/:id", (c) => {
    jobs.delete(c.req.param("id"));
    return c.json(true);
  });

  app.onError((error, c) => {
    if (error instanceof BodyError) return refuse(c, error.status, error.message);
    throw error;
  });
  return app;
}

function refuse(c: Context, code: 400 | 404 | 413 | 429 | 503, message: string) {
  return c.json({ code, message }, code);
}

/** What is wrong with a request, in v1's (go-swagger's) words. */
function validationText(
  body: unknown,
  issues: readonly { path: PropertyKey[]; message: string }[],
): string {
  const given = new Map(
    Object.entries(body ?? {}).map(([key, value]) => [key.toLowerCase(), value as unknown]),
  );
  const lines = issues.map(({ path, message }) => {
    const name = path.map(String).join(".");
    if (name === "") return "body should be an object";
    if (!given.get(String(path[0]).toLowerCase())) return `${name} in body is required`;
    if (name === "type") return "type in body should be one of [image file]";
    if (name === "url") return "url in body should be an http or https URL";
    if (name === "platform") return "platform in body should be os/architecture[/variant]";
    return `${name} in body: ${message}`;
  });
  return ["validation failure list:", ...new Set(lines)].join("\n");
}

function answer(job: PreheatJob): PreheatAnswer {
  return {
    ID: job.id,
    startTime: new Date(job.startMs).toISOString(),
    // v1 shows the beginning of the epoch for "not yet".
    finishTime: new Date(job.finishMs).toISOString(),
    status: job.status,
    ...(job.errorMsg ? { errorMsg: job.errorMsg } : {}),
  };
}

/** v1 lists its inner records as they are; ours never show the headers. */
function listEntry(job: PreheatJob) {
  return {
    ID: job.id,
    URL: job.url,
    Type: job.type,
    Filter: job.filter,
    Identifier: job.identifier,
    Headers: null,
    ParentID: job.parentId,
    Children: job.children.length > 0 ? job.children : null,
    Status: job.status,
    StartTime: job.startMs,
    FinishTime: job.finishMs,
    ErrorMsg: job.errorMsg,
  };
}
