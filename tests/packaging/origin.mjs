// A registry of one blob, for `GET /v2/…/blobs/sha256:…`, with Range: run inside the clean root's network.
// Arguments: address, port, size in bytes.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const [address, port, size] = process.argv.slice(2);
const blob = Buffer.alloc(Number(size), "what every node wants ");
const digest = createHash("sha256").update(blob).digest("hex");
const path = `/v2/library/popular/blobs/sha256:${digest}`;

createServer((request, response) => {
  if (request.url !== path) {
    response.writeHead(404).end();
    return;
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const start = Number(range?.[1] ?? 0);
  const end = Math.min(Number(range?.[2] || blob.length - 1), blob.length - 1);
  response.writeHead(range ? 206 : 200, {
    "Content-Length": end + 1 - start,
    "Docker-Content-Digest": `sha256:${digest}`,
    ...(range ? { "Content-Range": `bytes ${start}-${end}/${blob.length}` } : {}),
  });
  response.end(request.method === "HEAD" ? undefined : blob.subarray(start, end + 1));
}).listen(Number(port), address, () => console.log(path));
