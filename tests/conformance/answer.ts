import { createHash } from "node:crypto";
import http from "node:http";
import type { BodyDigest, Exchange } from "./transcript.ts";

/** An answer in the form in which answers are compared. */
export interface Answer {
  status: number;
  /** Those that a client reads; `content-length` of a text or JSON only says that it is right. */
  headers: Record<string, string | undefined>;
  /** A JSON value, a text of one character a byte, or the digest of many bytes. */
  body: unknown;
}

/** What clients look at; all other headers are the server's own affair. */
const READ_BY_CLIENTS = ["content-type", "content-length", "content-range"];

/** The answer that the Go client got. */
export function recordedAnswer(exchange: Exchange): Answer {
  const { status, response_headers, response_body, response_text, response_json } = exchange;
  const body = response_body ?? response_text ?? response_json;
  return { status, headers: readable(response_headers, response_body !== undefined), body };
}

/** Sends what the Go client sent, byte for byte but for `Host`, and reads the answer. */
export async function replay(exchange: Exchange, server: Server): Promise<Answer> {
  const { request_headers, request_json, request_body } = exchange;
  const { host: _host, "content-length": _length, ...headers } = request_headers;
  const sent = request_body ?? (request_json === undefined ? "" : JSON.stringify(request_json));
  const { status, headers: got, body } = await request(server, exchange, headers, sent);
  const length = got["content-length"];
  if (length !== undefined && Number(length) !== body.length)
    throw new Error(`content-length ${length}, but ${body.length} bytes came`);
  if (exchange.response_body !== undefined)
    return { status, headers: readable(got, true), body: digest(body) };
  const text = body.toString("latin1");
  return {
    status,
    headers: readable(got, false),
    body: exchange.response_text === undefined ? parsed(text) : text,
  };
}

/** Where a server of ours listens. */
export interface Server {
  address: string;
  port: number;
}

function request(
  { address, port }: Server,
  { method, path }: Exchange,
  headers: Record<string, string>,
  body: string,
): Promise<{ status: number; headers: Record<string, string>; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const sent = http.request({ host: address, port, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers as Record<string, string>,
          body: Buffer.concat(chunks),
        }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

function readable(headers: Record<string, string>, exact: boolean): Answer["headers"] {
  const names = READ_BY_CLIENTS.filter((name) => headers[name] !== undefined);
  return Object.fromEntries(
    names.map((name) => [
      name,
      name === "content-length" && !exact ? "that of the body" : headers[name],
    ]),
  );
}

/** Bytes as the recordings show many of them. */
export function digest(bytes: Buffer): BodyDigest {
  return {
    length: bytes.length,
    first8_hex: bytes.subarray(0, 8).toString("hex"),
    last4_hex: bytes.subarray(-4).toString("hex"),
    md5: createHash("md5").update(bytes).digest("hex"),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
