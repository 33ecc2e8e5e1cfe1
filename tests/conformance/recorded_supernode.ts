import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Code } from "../../protocol/codes.ts";
import type { RegisterData } from "../../protocol/v1/register.ts";
import { freePort, freshAddress } from "../support/addresses.ts";
import { PullScript, wasKilled } from "./pull_script.ts";
import { purpose, recordedPurposes, type SentRequest } from "./request_form.ts";
import { parameters, type Transcript } from "./transcript.ts";
import { pieceBytes } from "./wire_piece.ts";

/** Ports of the Go supernode when it was recorded: its API, its files. */
const API_PORT = 28002;
const FILE_PORT = 28001;

/**
 * A supernode, its file port and the peers of one recording: it gives the answers that v1's gave, in the
 * same order, each as soon as our dfget has reported what the Go one had reported by then.
 */
export class RecordedSupernode {
  /** Where our dfget is to find the recorded hosts but its own and 127.0.0.1. */
  readonly peersAddress = freshAddress();
  readonly requests: SentRequest[] = [];
  readonly script: PullScript;
  /** The next pull gets an answer that makes no sense, as of a load balancer that has lost its server. */
  failsOnce = false;
  readonly #transcript: Transcript;
  readonly #content: Buffer;
  readonly #servers: Server[] = [];

  private constructor(transcript: Transcript, content: Buffer, peerPort: number) {
    this.#transcript = transcript;
    this.#content = content;
    this.script = new PullScript(transcript, { peerPort, content, layout: this.#layout });
  }

  /**
   * @param content what the recorded file consists of
   * @param address where our dfget is to find the recorded 127.0.0.1
   */
  static async start(
    transcript: Transcript,
    content: Buffer,
    address: string,
  ): Promise<RecordedSupernode> {
    const peersAddress = freshAddress();
    const peerPort = await freePort(peersAddress);
    const recorded = new RecordedSupernode(transcript, content, peerPort);
    await recorded.#listen(address, API_PORT, (request) => recorded.#answer(request));
    await recorded.#listen(address, FILE_PORT, (request) => recorded.#piece(request));
    await recorded.#listen(recorded.peersAddress, peerPort, (request) => recorded.#piece(request));
    return recorded;
  }

  close(): void {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  get #registration(): RegisterData | undefined {
    const { response_json } = this.#transcript.exchanges[0]!;
    return (response_json as { data?: RegisterData }).data;
  }

  get #layout(): { pieceSize: number; framed: boolean } {
    const { pieceSize = 0, cdnSource = "supernode" } = this.#registration ?? {};
    return { pieceSize, framed: cdnSource !== "source" };
  }

  /** What v1 answered to the same request. */
  #answer(request: SentRequest): { status: number; body: string | Buffer } {
    const json = (value: unknown, status = 200) => ({ status, body: JSON.stringify(value) });
    switch (request.path.split("?")[0]) {
      case "/peer/registry": {
        const { status, response_json } = this.#transcript.exchanges[0]!;
        return json(response_json, status);
      }
      case "/peer/task": {
        if (this.failsOnce) {
          this.failsOnce = false;
          return { status: 503, body: "no server available\n" };
        }
        const { answer, piece } = this.script.pull(parameters(request.path));
        request.piece = piece;
        return json(answer);
      }
      case "/peer/piece/suc":
        request.piece = this.script.report(parameters(request.path).get("pieceRange"));
        return json({ code: Code.pieceReported });
      case "/peer/service/down":
        return json({ code: Code.serviceDownReported });
      case "/task/metrics":
        return json(null);
      default:
        return { status: 404, body: "404 page not found\n" };
    }
  }

  /** A piece as a Go peer or nginx sends it. */
  #piece(request: SentRequest): { status: number; body: Buffer } {
    const { pieceSize, framed } = this.#layout;
    const piece = Number(request.headers.piecenum);
    request.piece = this.script.handed.get(piece);
    return { status: 206, body: pieceBytes(this.#content, piece, pieceSize, framed) };
  }

  async #listen(
    address: string,
    port: number,
    answer: (request: SentRequest) => { status: number; body: string | Buffer },
  ): Promise<void> {
    const server = createServer((incoming, response) => {
      this.#take(incoming, response, answer).catch(() => response.destroy());
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, address, resolve);
    });
    this.#servers.push(server);
  }

  async #take(
    incoming: IncomingMessage,
    response: ServerResponse,
    answer: (request: SentRequest) => { status: number; body: string | Buffer },
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const { method = "", url: path = "", headers } = incoming;
    const body = text === "" ? undefined : (JSON.parse(text) as unknown);
    const request: SentRequest = { method, path, headers, body };
    this.requests.push(request);
    const { status, body: sent } = answer(request);
    const type = typeof sent === "string" ? "application/json" : "application/octet-stream";
    const length = Buffer.byteLength(sent);
    response.writeHead(status, { "content-type": type, "content-length": length });
    response.end(sent, () => {
      if (this.#dies) this.close();
    });
  }

  /** A supernode that was killed dies when our dfget has done what the Go one had done by then. */
  get #dies(): boolean {
    if (!wasKilled(this.#transcript) || !this.script.over) return false;
    const done = new Set(this.requests.map(purpose));
    return [...recordedPurposes(this.#transcript)].every((it) => done.has(it));
  }
}
