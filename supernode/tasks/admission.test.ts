import { beforeEach, expect, it } from "vitest";
import { Code } from "../../protocol/codes.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import { HttpError } from "../../runtime/http_error.ts";
import type { HttpHead } from "../../runtime/plain_http/http_reader.ts";
import { Admission, RegisterError, type TaskRequest } from "./admission.ts";
import { SourceAccess, type Task } from "./task.ts";

type Question = Parameters<HttpClient["reader"]["head"]>[1];

let nowMs = 1000;
/** What the source is asked, and what it says. */
let asked: { method: string; url: string; question: Question }[];
let answer: () => HttpHead | Promise<HttpHead>;
const status = (code: number, headers: Record<string, string> = { "accept-ranges": "bytes" }) =>
  ({ status: code, length: 9, headers: new Map(Object.entries(headers)) }) as unknown as HttpHead;
const cutOff = () => {
  throw new HttpError("nobody answers");
};
const asks = (method: string) => async (url: string, question: Question) => {
  asked.push({ method, url, question });
  return answer();
};

beforeEach(() => {
  nowMs = 1000;
  asked = [];
  answer = () => status(200);
});

function admission(cdnSource: "supernode" | "source" = "supernode"): Admission {
  const http = { reader: { head: asks("HEAD"), peek: asks("GET") } } as unknown as HttpClient;
  return new Admission({ cdnSource, http, failAccessIntervalMs: 1000, steadyNow: () => nowMs });
}

/** A registration, with a signature in its URL and a token in its headers. */
function request(given: Partial<TaskRequest> = {}, token = "Bearer a"): TaskRequest {
  return {
    rawUrl: "http://source.test/file?X-Signature=planted",
    taskUrl: "http://source.test/file",
    ...{ md5: "", identifier: "" },
    access: new SourceAccess({ Authorization: token }),
    ...given,
  };
}

const known = (given: Partial<Task> = {}) =>
  ({ ...request(), isVouchedFor: true, cdnStatus: "SUCCESS", ...given }) as Task;

/** The same with other trust. */
function trusting(tls: SourceAccess["tls"]): TaskRequest {
  return request({ access: new SourceAccess(request().access.headers, tls) });
}

/** One with nothing to show, and a task of such. */
const anybody = { rawUrl: "http://source.test/file", access: new SourceAccess({}) };

it("counts a yes for a minute from the question on, however late the answer", async () => {
  const door = admission();
  answer = async () => {
    await Promise.resolve();
    nowMs += 30_000;
    return status(200);
  };
  await door.admit("t", request(), undefined);
  nowMs += 30_000;
  expect(await door.admit("t", request(), known())).toBeUndefined();
  expect(asked).toHaveLength(1);
  nowMs += 1;
  expect(await door.admit("t", request(), known())).toMatchObject({ kind: "found" });
  expect(asked).toHaveLength(2);
});

it("shows the source what the caller shows, and asks about parts where they are needed", async () => {
  const tls = { insecure: false, ca: ["an authority"] };
  const access = new SourceAccess({ Authorization: "Bearer a" }, tls);
  answer = () => status(200, {});
  await admission().admit("t", request({ access }), undefined);
  expect(asked).toMatchObject([
    { method: "HEAD", url: request().rawUrl, question: { headers: access.headers, tls } },
  ]);
  answer = () =>
    asked.length === 1 ? status(200, {}) : status(206, { "content-range": "bytes 0-0/9" });
  asked = [];
  await admission("source").admit("t", request({ access }), undefined);
  expect(asked.map(({ method }) => method)).toEqual(["HEAD", "GET"]);
});

it.each<[string, Task | undefined]>([
  ["that nobody has vouched for", known({ isVouchedFor: false })],
  ["whose copy could not be had", known({ cdnStatus: "SOURCE_ERROR" })],
  ["that is new", undefined],
])("asks again about a task %s", async (_, task) => {
  const door = admission();
  await door.admit("t", request(), undefined);
  expect(await door.admit("t", request(), task)).toMatchObject({ kind: "found" });
});

it.each<[string, string, TaskRequest]>([
  ["another task", "other", request()],
  ["another token", "t", request({}, "Bearer b")],
  ["another signature", "t", request({ rawUrl: "http://source.test/file?X-Signature=b" })],
  ["no check of certificates", "t", trusting({ insecure: true })],
  ["another authority", "t", trusting({ ca: ["another"] })],
])("takes the same yes not for %s", async (_, id, other) => {
  const door = admission();
  await door.admit("t", request(), undefined);
  await door.admit(id, other, known());
  expect(asked).toHaveLength(2);
});

it("knows the same headers in another order and spelling", async () => {
  const door = admission();
  const access = (headers: Record<string, string>) => ({ access: new SourceAccess(headers) });
  await door.admit("t", request(access({ Authorization: "a", "X-B": "b" })), undefined);
  await door.admit("t", request(access({ "x-b": "b", authorization: "a" })), known());
  expect(asked).toHaveLength(1);
});

it("forgets a yes when the source says no, and asks again after a 401 or when it is in trouble", async () => {
  const door = admission();
  await door.admit("t", request(), undefined);
  const failed = known({ cdnStatus: "FAILED" });
  for (const [code, words] of [
    [401, "authentication required"],
    [407, "authentication required"],
    [503, "url not reachable"],
  ] as const) {
    answer = () => status(code);
    await expect(door.admit("t", request(), failed)).rejects.toThrow(words);
    await expect(door.admit("t", request(), known())).rejects.toThrow(words);
  }
  answer = () => status(200);
  expect(await door.admit("t", request(), known())).toMatchObject({ kind: "found" });
});

it("lets in without the source, where it gives no length, who had a yes before and no no since", async () => {
  const door = admission("source");
  const task = known(anybody);
  const enter = () => door.admit("t", request(anybody), task);
  answer = () => status(200);
  await enter();
  await door.admit("t", request(), undefined);
  nowMs += 60_001;
  answer = cutOff;
  expect(await enter()).toMatchObject({ kind: "unreachable" });
  // Who shows something may not have it any more, and of whom nothing is known has no length.
  await expect(door.admit("t", request(), task)).rejects.toThrow("failed to get file length");
  await expect(door.admit("t", request(anybody), undefined)).rejects.toThrow("file length");
  await expect(door.admit("other", request(anybody), task)).rejects.toThrow("file length");
  answer = () => status(404);
  await expect(enter()).rejects.toThrow("url not reachable");
  nowMs += 1001;
  answer = cutOff;
  await expect(enter()).rejects.toThrow("failed to get file length");
});

it("lets in without the source nobody where credentials are in play, of the task's or the caller's", async () => {
  const door = admission();
  answer = cutOff;
  const enter = (asks: TaskRequest, task: Task | undefined) => door.admit("t", asks, task);
  expect(await enter(request(), undefined)).toMatchObject({ kind: "unreachable" });
  expect(await enter(request(anybody), known(anybody))).toMatchObject({ kind: "unreachable" });
  for (const [asks, task] of [
    [request(), known(anybody)],
    [request(anybody), known()],
  ] as const)
    await expect(enter(asks, task)).rejects.toThrow("cannot be asked about these credentials");
});

it("says what is wrong without what nobody is to read", async () => {
  const texts: string[] = [];
  const failsBy = async (how: typeof answer, code: number) => {
    answer = how;
    const error = (await admission()
      .admit("t", request(), known())
      .catch((reason: Error) => reason)) as RegisterError;
    expect(error).toBeInstanceOf(RegisterError);
    expect(error.code).toBe(code);
    texts.push(error.message);
  };
  await failsBy(() => status(404), Code.urlNotReachable);
  await failsBy(() => status(407), Code.needAuth);
  await failsBy(cutOff, Code.urlNotReachable);
  await failsBy(() => {
    throw new TypeError("a header that cannot be sent");
  }, Code.badParameter);
  for (const text of texts) expect(text).toContain("http://source.test/file?X-Signature=…");
  expect(texts.join()).not.toMatch(/planted|Bearer/);
});

it("remembers ten thousand answers, not more", async () => {
  const door = admission();
  const enter = (client: number, task?: Task) =>
    door.admit("t", request({}, `Bearer ${client}`), task);
  for (let client = 0; client < 10_000; client++) await enter(client);
  // The one that came first has come again meanwhile.
  await enter(0);
  await enter(10_000);
  asked = [];
  for (const client of [0, 2, 10_000]) await enter(client, known());
  expect(asked).toHaveLength(0);
  await enter(1, known());
  expect(asked).toHaveLength(1);
});
