import https from "node:https";
import { TunnelAgent } from "../demo/tunnel_agent.ts";

export interface BlobQuestion {
  /** As the registry's URLs name it. */
  host: string;
  port: number;
  /** Where to connect without a proxy. */
  address: string;
  proxy?: { hostname: string; port: number } | undefined;
  ca: string;
  path: string;
  /** The value of a `Range` header; absent: the whole blob. */
  range?: string;
}

export interface BlobAnswer {
  /** From the beginning of the connection to the first byte of the body, ms. */
  firstByteMs: number;
  bytes: number;
}

/**
 * GETs a blob by a connection of its own, and throws its bytes away.
 *
 * @param untilFirstByte hang up at the first one
 * @throws {Error} for any answer but a whole 200, or 206 where a range is asked for
 */
export function getBlob(question: BlobQuestion, untilFirstByte = false): Promise<BlobAnswer> {
  const { host, port, address, proxy, ca, path, range } = question;
  const agent = proxy
    ? new TunnelAgent({ proxy, host, port, ca }, 1)
    : new https.Agent({ maxSockets: 1 });
  const startMs = performance.now();
  return new Promise<BlobAnswer>((resolve, reject) => {
    const target = { agent, host: proxy ? host : address, port, servername: host, ca, path };
    const headers = { host: `${host}:${port}`, ...(range ? { range } : {}) };
    const request = https.request({ ...target, headers });
    request.on("error", reject);
    request.on("response", (answer) => {
      if (answer.statusCode !== (range ? 206 : 200))
        return reject(new Error(`${path}: ${answer.statusCode}`));
      let bytes = 0;
      let firstByteMs = 0;
      answer.on("data", (chunk: Buffer) => {
        if (bytes === 0) firstByteMs = performance.now() - startMs;
        bytes += chunk.byteLength;
        if (untilFirstByte) resolve({ firstByteMs, bytes });
      });
      answer.on("error", reject);
      answer.on("end", () => {
        if (bytes === Number(answer.headers["content-length"])) resolve({ firstByteMs, bytes });
        else reject(new Error(`${path} broke off after ${bytes} bytes`));
      });
    });
    request.end();
  }).finally(() => agent.destroy());
}
