// A registry of one blob, for `GET /v2/…/blobs/sha256:…`, with Range: run inside the clean root's network.
// Arguments: address, port, size in bytes, repository; for TLS also certificate and key, files in PEM form.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";

const [address, port, size, repository, cert, key] = process.argv.slice(2);
const blob = Buffer.alloc(Number(size), `what every node wants of ${repository} `);
const digest = createHash("sha256").update(blob).digest("hex");
const path = `/v2/${repository}/blobs/sha256:${digest}`;

const answer = (request, response) => {
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
};

const server = cert
  ? https.createServer({ cert: readFileSync(cert), key: readFileSync(key) }, answer)
  : http.createServer(answer);
server.listen(Number(port), address, () => console.log(path));
