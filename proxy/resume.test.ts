import type { OutgoingHttpHeaders } from "node:http";
import { afterEach, expect, test } from "vitest";
import { HttpClient } from "../runtime/http_client.ts";
import { readFromSource } from "./resume.ts";
import { cleanUp, defer, startServer } from "./testing.ts";

afterEach(cleanUp);

const CONTENT = "0123456789";
const BLOB = `/v2/a/blobs/sha256:${"a".repeat(64)}`;
const RANGE = { start: 4, end: 7 };

/** What a node gets of bytes 4 to 7 of a file of 10 from a source that answers so, or why nothing. */
async function read(
  status: number,
  headers: OutgoingHttpHeaders,
  body: string,
  path = BLOB,
): Promise<string> {
  const { port } = await startServer((_request, response) => {
    response.writeHead(status, headers).end(body);
  });
  const client = new HttpClient();
  defer(() => client.close());
  const request = {
    url: `http://127.0.0.1:${port}${path}`,
    trust: undefined,
    headers: {},
    signal: new AbortController().signal,
  };
  const file = { length: CONTENT.length, headers: {}, etag: '"one"' };
  let text = "";
  try {
    for await (const chunk of readFromSource(client, request, file, RANGE))
      text += Buffer.from(chunk).toString();
  } catch (error) {
    return `${text}: ${(error as Error).message}`;
  }
  return text;
}

const part = (range: string) => ({ "Content-Range": `bytes ${range}`, ETag: '"one"' });

test.each([
  ["these bytes", 206, part("4-7/10"), "4567"],
  ["these bytes of a length that it does not say", 206, part("4-7/*"), "4567"],
  ["these bytes and more", 206, part("4-9/10"), "456789"],
  ["all of it", 200, { "Content-Length": 10 }, CONTENT],
  ["all of it, without a length", 200, {}, CONTENT],
])(
  "gives the bytes asked for, where the source answers with %s",
  async (_, status, headers, body) => {
    expect(await read(status, headers, body)).toBe("4567");
  },
);

test.each([
  ["others", 206, part("3-6/10"), "3456", "another range"],
  ["others, and does not say which", 206, {}, "4567", "another range"],
  ["those of a longer file", 206, part("4-7/11"), "4567", "another range"],
  ["all of a longer file", 200, { "Content-Length": 11 }, `${CONTENT}+`, "another length"],
  ["its trouble", 503, { "Content-Length": 10 }, CONTENT, "the source answered 503"],
])("gives nothing where the source answers with %s", async (_, status, headers, body, reason) => {
  expect(await read(status, headers, body)).toMatch(new RegExp(`^: .*${reason}`));
});

test("gives nothing of another version of a file, unless its name says what is in it", async () => {
  const other = { ...part("4-7/10"), ETag: '"two"' };
  expect(await read(206, other, "4567", "/file")).toMatch(/^: .*has changed at the source/);
  expect(await read(206, other, "4567")).toBe("4567");
});
