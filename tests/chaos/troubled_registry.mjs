// Stands before a registry, on its host, while that is in trouble: to some requests it says 503 or 429, breaks their
// answers off in the middle, or says no more. The rest it hands on.
import { readFileSync } from "node:fs";
import { createServer, request } from "node:https";

/** Where it listens, and the port of the registry; its certificate; the part of the requests that go wrong, percent. */
const { address, port, behind, cert, key, percent } = JSON.parse(process.argv[2]);
/** Most of what one of our programs asks for at once is more than that. */
const MOST_BYTES = 400_000;

const troubles = {
  busy: (_asking, response) => response.writeHead(503, { "retry-after": "1" }).end(),
  throttling: (_asking, response) => response.writeHead(429).end(),
  "breaking off": (asking, response) =>
    handOn(asking, response, Math.random() * MOST_BYTES, () => response.destroy()),
  "standing still": (asking, response) =>
    handOn(asking, response, Math.random() * MOST_BYTES, () => {}),
};

createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (asking, response) => {
  const kinds = Object.values(troubles);
  if (Math.random() * 100 >= percent) handOn(asking, response, Number.POSITIVE_INFINITY);
  else kinds[Math.floor(Math.random() * kinds.length)](asking, response);
}).listen(port, address);

/** Has the registry answer, but no more of the body than `most` bytes; `then` follows where there would be more. */
function handOn(asking, response, most, then) {
  const { method, url: path, headers } = asking;
  const options = { host: address, port: behind, method, path, headers, rejectUnauthorized: false };
  const forwarded = request(options, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders);
    let left = most;
    answer.on("data", (chunk) => {
      response.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left >= 0) return;
      answer.destroy();
      then();
    });
    answer.once("end", () => response.end());
    answer.on("error", () => response.destroy());
  });
  forwarded.on("error", () => response.destroy());
  response.on("error", () => {}).once("close", () => forwarded.destroy());
  asking.pipe(forwarded);
}
