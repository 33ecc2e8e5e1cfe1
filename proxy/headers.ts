import type { IncomingMessage, ServerResponse } from "node:http";

/** Headers by name as spelled by the sender; repeated ones as a list. */
export type HeaderMap = Record<string, string | string[]>;

/** For one connection only (RFC 9110 §7.6.1), and what clients say to proxies. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** What asks for a part or for a newer version, or says how the answer may be packed. */
const SELECTIVE = [
  "accept-encoding",
  "range",
  "if-range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
];

/**
 * Headers as they came, without those that concern one connection only, and without `omit` (in lower
 * case). Names keep their spelling, repeats stay repeats.
 *
 * @param raw names and values in turn
 */
export function endToEndHeaders(raw: readonly string[], omit: readonly string[] = []): HeaderMap {
  const dropped = new Set([...HOP_BY_HOP, ...omit]);
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]!.toLowerCase() !== "connection") continue;
    for (const name of raw[i + 1]!.split(",")) dropped.add(name.trim().toLowerCase());
  }
  const spelling = new Map<string, string>();
  const headers: HeaderMap = {};
  for (let i = 0; i < raw.length; i += 2) {
    const lower = raw[i]!.toLowerCase();
    if (dropped.has(lower)) continue;
    const name = spelling.get(lower) ?? raw[i]!;
    spelling.set(lower, name);
    const earlier = headers[name];
    headers[name] = earlier === undefined ? raw[i + 1]! : [earlier, raw[i + 1]!].flat();
  }
  return headers;
}

/**
 * The client's headers as the source should see them with a request for a whole blob: credentials
 * among them, but nothing that belongs to this one request (protocol §5, By p2p).
 */
export function blobRequestHeaders(incoming: IncomingMessage): Record<string, string> {
  const headers = endToEndHeaders(incoming.rawHeaders, [
    ...SELECTIVE,
    "host",
    "expect",
    "content-length",
  ]);
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, [value].flat().join(", ")]),
  );
}

/** Whether a message announces a body. */
export function hasBody(incoming: IncomingMessage): boolean {
  const { "content-length": length, "transfer-encoding": encoding } = incoming.headers;
  return encoding !== undefined || Number(length ?? 0) > 0;
}

/** Puts an answer of dfdaemon's own in words; cuts the connection when an answer has begun. */
export function answerText(outgoing: ServerResponse, status: number, text: string): void {
  if (outgoing.headersSent) {
    outgoing.destroy();
    return;
  }
  const body = `dfdaemon: ${text}\n`;
  outgoing.writeHead(status, {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(body),
  });
  outgoing.end(body);
}
