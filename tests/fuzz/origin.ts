import { createHash, randomBytes } from "node:crypto";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import { freshAddress } from "../support/addresses.ts";
import type { Authority } from "../support/authority.ts";
import type { Scratch } from "../support/scratch.ts";
import { SMUGGLED } from "./http_request.ts";

/** Larger than a block, so that a file has two. */
const BLOB_BYTES = 1_300_000;
/** Its name, for which our programs have an alias. */
export const ORIGIN_NAME = "origin.test";

/** A registry of one blob, by HTTP and by TLS, that notices what it should never be asked. */
export class Origin {
  readonly address = freshAddress();
  readonly blob = randomBytes(BLOB_BYTES);
  /** What lies at any path below `/f/`. */
  readonly file = this.blob.subarray(0, 999);
  readonly blobPath = `/v2/f/blobs/sha256:${createHash("sha256").update(this.blob).digest("hex")}`;
  /** Requests that had been hidden in other requests. */
  smuggled = 0;
  httpPort = 0;
  tlsPort = 0;

  static async start(scratch: Scratch, authority: Authority): Promise<Origin> {
    const origin = new Origin();
    const { pair } = await authority.leaf(ORIGIN_NAME);
    const answer = (request: IncomingMessage, response: ServerResponse) =>
      origin.#answer(request, response);
    // More than dfdaemon takes, so that its limits are met first.
    const options = { maxHeaderSize: 128 * 1024 };
    const servers = [
      http.createServer(options, answer),
      https.createServer({ ...options, ...pair }, answer),
    ];
    for (const server of servers) {
      await new Promise<void>((resolve) => server.listen(0, origin.address, resolve));
      scratch.defer(() => {
        server.close();
        server.closeAllConnections();
      });
    }
    [origin.httpPort, origin.tlsPort] = servers.map(
      (server) => (server.address() as AddressInfo).port,
    ) as [number, number];
    return origin;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = "/", method } = request;
    if (url.includes(SMUGGLED)) this.smuggled += 1;
    request.resume();
    const path = url.split("?", 1)[0]!;
    const known =
      path === this.blobPath ? this.blob : path.startsWith("/f/") ? this.file : undefined;
    if (!known) {
      response.writeHead(404, { "Content-Type": "text/plain" }).end("not here\n");
      return;
    }
    const range = parseRangeHeader(request.headers.range, known.length);
    if (range.kind === "unsatisfiable") {
      response.writeHead(416, { "Content-Range": `bytes */${known.length}` }).end();
      return;
    }
    const part = range.kind === "part" ? known.subarray(range.start, range.end + 1) : known;
    response.writeHead(range.kind === "part" ? 206 : 200, {
      "Accept-Ranges": "bytes",
      "Content-Length": part.length,
      ETag: '"1"',
      ...(range.kind === "part"
        ? { "Content-Range": `bytes ${range.start}-${range.end}/${known.length}` }
        : {}),
    });
    response.end(method === "HEAD" ? undefined : part);
  }
}
