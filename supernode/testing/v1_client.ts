import { createHash } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { frameHead, frameTail, unframe } from "../../protocol/piece_frame.ts";
import type { Envelope } from "../../protocol/v1/envelope.ts";
import type { FinishedData, PieceTask } from "../../protocol/v1/pull_piece.ts";
import type { RegisterData } from "../../protocol/v1/register.ts";

export interface V1ClientOptions {
  /** `http://127.0.0.1:<port>` of the supernode's API. */
  api: string;
  url: string;
  headers?: Record<string, string>;
  ip?: string;
  more?: Record<string, unknown>;
}

let clients = 0;

/**
 * A client as v1's dfget is one, in raw HTTP: registers, pulls, fetches all pieces of an answer at
 * once, reports each twice, and serves what it has to other clients.
 */
export class V1Client {
  readonly cid: string;
  readonly pieces = new Map<number, Uint8Array>();
  /** What each piece must hash to, as the supernode said. */
  readonly sums = new Map<number, string>();
  /** Whom each piece came from. */
  readonly from = new Map<number, string>();
  task: RegisterData | undefined;
  /** Where the supernode's own copy is, as the client was told. */
  seedPath = "";
  finished: FinishedData | undefined;
  readonly #options: V1ClientOptions;
  readonly #server = http.createServer((request, response) => this.#serve(request, response));
  readonly #ip: string;

  constructor(options: V1ClientOptions) {
    this.#options = options;
    this.#ip = options.ip ?? "127.0.0.1";
    this.cid = `${this.#ip}-${process.pid}-${++clients}`;
  }

  async register(): Promise<RegisterData> {
    await new Promise<void>((resolve) => this.#server.listen(0, this.#ip, resolve));
    const { api, url, headers = {}, more } = this.#options;
    const response = await fetch(`${api}/peer/registry`, {
      method: "POST",
      headers: { "content-type": "application/json;charset=utf-8" },
      body: JSON.stringify({
        superNodeIp: "127.0.0.1",
        rawUrl: url,
        taskUrl: url,
        cid: this.cid,
        ip: this.#ip,
        hostName: "test",
        port: (this.#server.address() as AddressInfo).port,
        path: `/peer/file/${this.cid}`,
        headers: Object.entries(headers).map(([name, value]) => `${name}:${value}`),
        ...more,
      }),
    });
    const body = (await response.json()) as Envelope<RegisterData> & { message?: string };
    if (response.status !== 200) throw new Error(`${response.status} ${body.message}`);
    return (this.task = body.data!);
  }

  /** Downloads the file and returns it. */
  async download(): Promise<Uint8Array> {
    await this.register();
    return this.goOn();
  }

  /** Downloads the file, registered as it is, and returns it. */
  async goOn(): Promise<Uint8Array> {
    const task = this.task!;
    let report = "&dstCid=&range=&result=502&status=700";
    const running = new Map<number, Promise<string>>();
    for (;;) {
      const answer = await this.pull(report);
      if (answer.code === 600) {
        this.finished = answer.data as FinishedData;
        break;
      }
      if (answer.code !== 601 && answer.code !== 602)
        throw new Error(`code ${answer.code}: ${answer.msg}`);
      for (const piece of answer.code === 601 ? (answer.data as PieceTask[]) : []) {
        if (running.has(piece.pieceNum)) throw new Error(`piece ${piece.pieceNum} given twice`);
        running.set(piece.pieceNum, this.#fetch(piece, task));
      }
      // Told to wait, it says the same again; given something to do, it comes back with the outcome.
      const again = answer.code === 602 ? [sleep(20, "")] : [];
      const next = await Promise.race([...running.values(), ...again]);
      if (next === "") continue;
      report = next;
      const number = Number(/range=(\d+)/.exec(next)![1]) / task.pieceSize;
      running.delete(number);
    }
    const numbers = [...this.pieces.keys()].sort((a, b) => a - b);
    return Buffer.concat(numbers.map((number) => this.pieces.get(number)!));
  }

  async pull(report: string): Promise<Envelope> {
    const query = `srcCid=${this.cid}&taskId=${this.task!.taskId}${report}`;
    return this.get(`/peer/task?${query}`);
  }

  async get(path: string): Promise<Envelope> {
    return (await (await fetch(`${this.#options.api}${path}`)).json()) as Envelope;
  }

  async serviceDown(): Promise<Envelope> {
    return this.get(`/peer/service/down?cid=${this.cid}&taskId=${this.task!.taskId}`);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Fetches one piece and gives the report for the next pull. */
  async #fetch(piece: PieceTask, task: RegisterData): Promise<string> {
    const framed = task.cdnSource === "supernode";
    const ofSource = /^https?:/.test(piece.path);
    if (piece.path.startsWith("/download/")) this.seedPath = piece.path;
    const url = ofSource ? piece.path : `http://${piece.peerIp}:${piece.peerPort}${piece.path}`;
    const report = (result: number) =>
      `&dstCid=${piece.cid}&range=${piece.range}&result=${result}&status=701`;
    let response: Response;
    try {
      response = await fetch(url, {
        headers: {
          range: `bytes=${piece.range}`,
          pieceNum: String(piece.pieceNum),
          pieceSize: String(piece.pieceSize),
          ...(framed ? {} : { cdnSource: "source" }),
          ...(ofSource ? this.#options.headers : {}),
        },
      });
    } catch {
      // That peer has gone; the supernode names another.
      return report(500);
    }
    const bytes = new Uint8Array(await response.arrayBuffer());
    this.sums.set(piece.pieceNum, piece.pieceMd5);
    const md5 = `${createHash("md5").update(bytes).digest("hex")}:${bytes.byteLength}`;
    const good = response.status === 206 && (!framed || md5 === piece.pieceMd5);
    if (!good) return report(500);
    this.pieces.set(piece.pieceNum, framed ? unframe(bytes, piece.pieceSize) : bytes);
    this.from.set(piece.pieceNum, ofSource ? "source" : piece.cid);
    await this.get(
      `/peer/piece/suc?taskId=${task.taskId}&cid=${this.cid}&dstCid=${piece.cid}&pieceRange=${piece.range}`,
    );
    return report(503);
  }

  #serve(request: http.IncomingMessage, response: http.ServerResponse): void {
    const content = this.pieces.get(Number(request.headers.piecenum));
    if (!content) {
      response.writeHead(500).end();
      return;
    }
    const pieceSize = Number(request.headers.piecesize);
    const piece =
      request.headers.cdnsource === "source"
        ? content
        : Buffer.concat([frameHead(content.byteLength, pieceSize), content, frameTail()]);
    response.writeHead(206, { "content-length": piece.byteLength });
    response.end(piece);
  }
}
