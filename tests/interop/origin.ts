import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import { freshAddress } from "../support/addresses.ts";
import type { Scratch } from "../support/scratch.ts";

export interface Origin {
  url: string;
  /** Bytes of whole answers for a path, under whatever query. */
  sent(path: string): number;
}

/** A web server of files by their path, whatever the query says; of registries it knows blobs only. */
export async function startOrigin(
  scratch: Scratch,
  files: Readonly<Record<string, Buffer>>,
): Promise<Origin> {
  const sent = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://x").pathname;
    const content = files[path];
    if (!content) return response.writeHead(404).end();
    const range = parseRangeHeader(request.headers.range, content.length);
    if (range.kind === "unsatisfiable") return response.writeHead(416).end();
    const part = range.kind === "part" ? content.subarray(range.start, range.end + 1) : content;
    response.writeHead(range.kind === "part" ? 206 : 200, {
      "Content-Length": part.length,
      "Accept-Ranges": "bytes",
      ETag: '"1"',
      ...(range.kind === "part"
        ? { "Content-Range": `bytes ${range.start}-${range.end}/${content.length}` }
        : {}),
    });
    if (request.method === "HEAD") return response.end();
    // v1's supernode asks for a file's length by a GET whose body it does not read: that does not count.
    response.on("finish", () => sent.set(path, (sent.get(path) ?? 0) + part.length));
    return response.end(part);
  });
  const address = freshAddress();
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  scratch.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://${address}:${(server.address() as AddressInfo).port}`,
    sent: (path) => sent.get(path) ?? 0,
  };
}
