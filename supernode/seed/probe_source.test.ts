import { afterAll, beforeAll, expect, it } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import { type SourceFile, SourceServer } from "../testing/source_server.ts";
import { type Probe, probeSource } from "./probe_source.ts";

const bytes = new Uint8Array(5000);
const http = new HttpClient();
let source: SourceServer;

beforeAll(async () => {
  source = await SourceServer.start();
});
afterAll(async () => {
  http.close();
  await source.close();
});

const found = (length: number, acceptsRanges: boolean, etag = "") => ({
  kind: "found" as const,
  length,
  acceptsRanges,
  validators: { etag, lastModified: "" },
});

it.each<[string, SourceFile, boolean, Probe, string[]]>([
  ["answers HEAD", { bytes, etag: '"1"' }, true, found(5000, true, '"1"'), ["HEAD"]],
  [
    "knows no Range, where none is needed",
    { bytes, ranges: false },
    false,
    found(5000, false),
    ["HEAD"],
  ],
  ["knows no Range", { bytes, ranges: false }, true, found(5000, false), ["HEAD", "GET"]],
  ["refuses HEAD by 405", { bytes, headStatus: 405 }, true, found(5000, true), ["HEAD", "GET"]],
  ["refuses HEAD by 403", { bytes, headStatus: 403 }, false, found(5000, true), ["HEAD", "GET"]],
  [
    "says no length",
    { bytes, chunked: true, ranges: false },
    false,
    found(-1, false),
    ["HEAD", "GET"],
  ],
  ["has nothing in it", { bytes: new Uint8Array() }, true, found(0, false), ["HEAD", "GET", "GET"]],
  [
    "wants credentials",
    { bytes, authorizations: ["Basic x"] },
    true,
    { kind: "refused", status: 401 },
    ["HEAD"],
  ],
  ["is not there", { bytes, status: 404 }, true, { kind: "refused", status: 404 }, ["HEAD", "GET"]],
])("finds out about a source that %s", async (_, file, needRanges, expected, asked) => {
  source.files.set("/file", file);
  const before = source.requests.length;
  const probe = await probeSource(http, { url: source.url("/file"), headers: {}, needRanges });
  expect(probe).toMatchObject(expected);
  expect(source.requests.slice(before).map(({ method }) => method)).toEqual(asked);
});

it("asks for the very part that the caller wants", async () => {
  source.files.set("/file", { bytes });
  const headers = { Range: "bytes=1000-1999" };
  const probe = await probeSource(http, { url: source.url("/file"), headers, needRanges: false });
  expect(probe).toEqual(found(1000, true));
});

it("says that a source cannot be reached", async () => {
  const gone = await SourceServer.start();
  const url = gone.url("/file");
  await gone.close();
  const probe = await probeSource(http, { url, headers: {}, needRanges: true });
  expect(probe).toEqual({ kind: "unreachable", reason: expect.stringContaining("ECONNREFUSED") });
});
