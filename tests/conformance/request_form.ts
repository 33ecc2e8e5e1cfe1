import type { IncomingHttpHeaders } from "node:http";
import { hostname } from "node:os";
import type { PieceTask } from "../../protocol/v1/pull_piece.ts";
import { SIGN } from "./dfget_scenarios.ts";
import { type Exchange, parameters, type Transcript } from "./transcript.ts";

/** The name of the host that all programs of the recordings ran on. */
const RECORDED_HOST = "vm";

/** A request that our dfget sent. */
export interface SentRequest {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: unknown;
  /** The piece it speaks of, as it was handed out. */
  piece?: PieceTask | undefined;
}

/** A request in the form in which requests are compared. */
export interface RequestForm {
  method: string;
  route: string;
  query: Record<string, string>;
  /** Those that a server may read. */
  headers: Record<string, string | undefined>;
  body: unknown;
}

const READ_BY_SERVERS = [
  "content-type",
  "user-agent",
  "range",
  "piecenum",
  "piecesize",
  "cdnsource",
  "accept-encoding",
];

/** What our dfget sent. */
export function sentForm({ method, path, headers, body }: SentRequest): RequestForm {
  return form(method, path, headers as Record<string, string>, body, hostname());
}

/** What the Go dfget sent to the same end; `undefined` where it sent nothing of the kind. */
export function recordedForm(
  { exchanges }: Transcript,
  sent: SentRequest,
): RequestForm | undefined {
  const route = kindOf(sent.path);
  const alike = exchanges.filter((exchange) => kindOf(exchange.path) === route);
  const { piece } = sent;
  const same = alike.find((exchange) => pieceOf(exchange) === pieceOf(sent)) ?? alike.at(-1);
  if (!same) return undefined;
  const { method, path, request_headers: headers, request_json } = same;
  const recorded = form(method, path, headers, request_json, RECORDED_HOST);
  if (!piece || pieceOf(same) === pieceOf(sent)) return recorded;
  // The Go client said the same of other pieces: this is how it would have said it of this one.
  const { query } = recorded;
  const of = {
    dstCid: piece.cid.replace(SIGN, "<sign>"),
    range: piece.range,
    pieceRange: piece.range,
  };
  for (const name of ["dstCid", "range", "pieceRange"] as const)
    if (name in query) query[name] = of[name];
  if (recorded.headers.piecenum !== undefined) {
    const [start, end] = piece.range.split("-").map(Number) as [number, number];
    // Where pieces are bare the client knows the end of the last one.
    const last = recorded.headers.cdnsource ? Math.min(end, fileLength(exchanges[0]!) - 1) : end;
    recorded.headers.piecenum = String(piece.pieceNum);
    recorded.headers.range = `bytes=${start}-${last}`;
    recorded.route = piece.path.replace(SIGN, "<sign>");
  }
  return recorded;
}

function fileLength({ response_json }: Exchange): number {
  return (response_json as { data: { fileLength: number } }).data.fileLength;
}

/**
 * What a request does, and to which piece: `/peer/piece/suc 0-4194303`. Which pieces a pull tells of is a
 * matter of timing: they are all told by `/peer/piece/suc`.
 */
export function purpose({ path, headers }: Pick<SentRequest, "path" | "headers">): string {
  const kind = kindOf(path);
  if (kind === "/peer/task") return `${kind} ${parameters(path).get("status")}`;
  return `${kind} ${pieceOf({ path, headers })}`.trim();
}

/** The purposes of the Go client's requests. */
export function recordedPurposes({ exchanges }: Transcript): Set<string> {
  return new Set(
    exchanges.map(({ path, request_headers }) => purpose({ path, headers: request_headers })),
  );
}

function pieceOf(it: { path: string; headers?: unknown; request_headers?: unknown }): string {
  const query = parameters(it.path);
  const headers = (it.headers ?? it.request_headers ?? {}) as Record<string, string>;
  return query.get("range") ?? query.get("pieceRange") ?? headers.piecenum ?? "";
}

/** The route; for pieces without the name of the file, which is another on each node. */
function kindOf(path: string): string {
  return path.startsWith("/peer/file/") ? "/peer/file/" : routeOf(path);
}

function routeOf(path: string): string {
  return path.split("?")[0]!.replace(SIGN, "<sign>");
}

function form(
  method: string,
  path: string,
  headers: Record<string, string>,
  body: unknown,
  host: string,
): RequestForm {
  const unsigned = (text: string) => text.replace(SIGN, "<sign>");
  // A taskFileName may hold a "?" of its own.
  const isFile = path.startsWith("/peer/file/");
  return {
    method,
    route: isFile ? unsigned(path) : routeOf(path),
    query: isFile
      ? {}
      : Object.fromEntries([...parameters(path)].map(([name, value]) => [name, unsigned(value)])),
    headers: Object.fromEntries(
      READ_BY_SERVERS.flatMap((name) =>
        headers[name] === undefined ? [] : [[name, headers[name]]],
      ),
    ),
    body:
      body === undefined ? undefined : plainBody(JSON.parse(unsigned(JSON.stringify(body))), host),
  };
}

/**
 * A body without its empty fields and the name of the host: Go leaves empty fields out, and reads absent
 * ones as empty, so they say the same.
 */
function plainBody(body: Record<string, unknown>, host: string): Record<string, unknown> {
  const isEmpty = (value: unknown) =>
    value === "" || value === 0 || value === false || (Array.isArray(value) && value.length === 0);
  const entries = Object.entries(body).filter(([, value]) => !isEmpty(value));
  return Object.fromEntries(
    entries.map(([name, value]) => [
      name,
      name === "hostName" && value === host ? "<host>" : value,
    ]),
  );
}
