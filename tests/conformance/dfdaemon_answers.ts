import { createHash } from "node:crypto";
import http from "node:http";
import { transcriptText } from "./transcript.ts";

/** A user's request to dfdaemon, by curl, and the answer that v1's gave. */
export interface UserExchange {
  /** curl's arguments. */
  command: string;
  recorded: UserAnswer;
}

export interface UserAnswer {
  status: number;
  headers: Record<string, string | undefined>;
  /** Absent for HEAD. */
  body?: { length: number; sha256: string };
}

/** Where v1's dfdaemon was. */
const RECORDED = "http://127.0.0.1:16501";
/** What says nothing about the file, or is a hop's own. */
const UNREAD = new Set(["date", "connection", "keep-alive", "transfer-encoding", "accept-ranges"]);

/** The recorded exchanges, in their order. */
export function userExchanges(): UserExchange[] {
  return transcriptText("dfdaemon-answers.txt")
    .split("## ")
    .slice(1)
    .map((section) => {
      const [command, statusLine, ...rest] = section.trimEnd().split("\n");
      const [, length, sha256] = /^body: (\d+) sha256 (\w+)$/.exec(rest.at(-1)!)!;
      const headers = Object.fromEntries(
        rest
          .filter((line) => line.includes(": ") && !line.startsWith("body: "))
          .map((line) => [line.split(": ")[0]!.toLowerCase(), line.replace(/^[^:]+: /, "").trim()]),
      );
      const isHead = command!.startsWith("-I ");
      return {
        command: command!,
        recorded: {
          status: Number(statusLine!.split(" ")[1]),
          headers: readable(headers),
          ...(isHead ? {} : { body: { length: Number(length), sha256: sha256! } }),
        },
      };
    });
}

/** Sends a user's request to another dfdaemon, as curl would. */
export function ask(command: string, dfdaemon: { address: string; port: number }) {
  const words = command.match(/-H .+?(?= http)|-x \S+|-I|http\S+/g)!;
  const url = new URL(words.at(-1)!);
  const byProxy = words.some((word) => word.startsWith("-x"));
  const method = words.includes("-I") ? "HEAD" : "GET";
  const headers: Record<string, string> = { "User-Agent": "curl/7.88.1", Accept: "*/*" };
  for (const word of words.filter((it) => it.startsWith("-H"))) {
    const [name, value] = word.slice(3).split(": ");
    headers[name!] = value!;
  }
  if (byProxy) Object.assign(headers, { Host: url.host, "Proxy-Connection": "Keep-Alive" });
  else if (!url.href.startsWith(RECORDED)) throw new Error(`to nobody: ${command}`);
  const path = byProxy ? url.href : url.pathname + url.search;
  const { address: host, port } = dfdaemon;
  return new Promise<UserAnswer>((resolve, reject) => {
    const sent = http.request({ host, port, path, method, headers }, (response) => {
      const hash = createHash("sha256");
      let length = 0;
      response.on("data", (chunk: Buffer) => {
        hash.update(chunk);
        length += chunk.length;
      });
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode!,
          headers: readable(response.headers as Record<string, string>),
          ...(method === "HEAD" ? {} : { body: { length, sha256: hash.digest("hex") } }),
        }),
      );
    });
    sent.on("error", reject);
    sent.end();
  });
}

function readable(headers: Record<string, string>): Record<string, string> {
  const { "content-type": type, ...others } = headers;
  const read = Object.entries(others).filter(([name]) => !UNREAD.has(name));
  // Its case and spaces say nothing (RFC 9110 §8.3).
  const plain = type?.toLowerCase().replace(/;\s*/, "; ");
  return Object.fromEntries(plain ? [["content-type", plain], ...read] : read);
}
