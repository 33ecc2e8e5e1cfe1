import { createHash, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Bitmap } from "../../protocol/swarm/bitmap.ts";
import { type BlockRun, blockBytes, blockCount } from "../../protocol/swarm/blocks.ts";
import { encodeHave } from "../../protocol/swarm/have_stream.ts";
import { SWARM_VERSION } from "../../protocol/swarm/messages.ts";
import { parseRangeHeader } from "../../runtime/http_range.ts";
import { freePort, freshAddress } from "./addresses.ts";
import type { Scratch } from "./scratch.ts";
import type { SourceUrl } from "./source.ts";

/** What a poisoned node does with the bytes that it should send. */
export const POISONS = {
  "flips a byte of each block": (bytes, response) => {
    const wrong = flipped(bytes);
    response.setHeader("content-length", wrong.length);
    response.end(wrong);
  },
  "sends another file": (bytes, response) => {
    response.setHeader("content-length", bytes.length);
    response.end(randomBytes(bytes.length));
  },
  "says that blocks are shorter than they are": (bytes, response) => {
    response.setHeader("content-length", bytes.length - 100);
    response.end(bytes.subarray(100));
  },
  "breaks off in the middle": (bytes, response) => {
    response.setHeader("content-length", bytes.length);
    response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
  },
  "never ends": (bytes, response) => {
    const more = () => {
      while (!response.destroyed && response.write(bytes));
    };
    response.on("drain", more);
    more();
  },
  "sends a byte a second": (bytes, response) => {
    response.setHeader("content-length", bytes.length);
    let at = 0;
    const timer = setInterval(() => response.write(bytes.subarray(at, ++at)), 1000);
    response.once("close", () => clearInterval(timer));
  },
} satisfies Record<string, (bytes: Buffer, response: ServerResponse) => void>;
export type Poison = keyof typeof POISONS;

/** What a poisoned node that says to the supernode, too, which blocks it holds, says of their digests. */
export type Telling = "nothing" | "what is right" | "what it sends where it flips a byte";

export interface PoisonedNodeOptions {
  /** `host:port`. */
  supernode: string;
  file: Pick<SourceUrl, "url" | "size" | "content">;
  poison: Poison;
  /** Absent: it says to its neighbours alone which blocks it holds. */
  tells?: Telling;
  /** Where it listens; default: a loopback address of its own. */
  place?: { address: string; port: number };
  /** Other addresses at which it can be reached, by which those who ask are told from each other. */
  doors?: readonly string[];
  /** PEM of the authority that the file's source has its certificate from, where the system does not know it. */
  authority?: string;
}

/**
 * A node that takes part in a swarm as ours do, but that says it has all of a file, and sends wrong bytes.
 * The file's real bytes are never sent whole.
 */
export class PoisonedNode {
  readonly address: string;
  readonly port: number;
  /** Blocks it was asked for, by who asked, and at which door. */
  readonly asked = new Map<string, number>();
  /** Answers that were sent to their end, by who took them. */
  readonly taken = new Map<string, number>();
  readonly #file: PoisonedNodeOptions["file"];
  readonly #supernode: string;
  readonly #authority: string | undefined;
  readonly #tells: Telling | undefined;
  readonly #cid: string;
  /** What it has been asked for and has not told yet. */
  #toTell: BlockRun[] = [];
  readonly #path: string;
  #taskId = "";
  #timer: NodeJS.Timeout | undefined;

  private constructor(
    { address, port }: { address: string; port: number },
    options: PoisonedNodeOptions,
  ) {
    this.address = address;
    this.port = port;
    this.#file = options.file;
    this.#supernode = `http://${options.supernode}`;
    this.#authority = options.authority;
    this.#tells = options.tells;
    this.#cid = `${address}-1-1795513266.001`;
    this.#path = `/peer/file/poison-${port}`;
  }

  /** Registers with a supernode and waits for others. */
  static async start(
    scratch: Pick<Scratch, "defer">,
    options: PoisonedNodeOptions,
  ): Promise<PoisonedNode> {
    const node = new PoisonedNode(options.place ?? (await freshPlace()), options);
    for (const address of [node.address, ...(options.doors ?? [])]) {
      const server = createServer((request, response) => {
        if (request.url?.startsWith("/peer/swarm/")) node.#boast(response);
        else node.#send(request, response, POISONS[options.poison]);
      });
      await new Promise<void>((resolve) => server.listen(node.port, address, resolve));
      scratch.defer(() => {
        server.close();
        server.closeAllConnections();
      });
    }
    scratch.defer(() => clearInterval(node.#timer));
    await node.#register();
    node.#timer = setInterval(() => void node.#report().catch(() => {}), 500);
    return node;
  }

  /** Blocks that the one who asked most was asking for. */
  get mostAsked(): number {
    return Math.max(0, ...this.asked.values());
  }

  /** Wrong blocks that the one took who took most. */
  get mostTaken(): number {
    return Math.max(0, ...this.taken.values());
  }

  /** Registers anew, and says what the supernode answers. */
  async register(): Promise<{ status: number; text: string }> {
    const response = await fetch(`${this.#supernode}/peer/registry`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        rawUrl: this.#file.url,
        taskUrl: this.#file.url,
        cid: this.#cid,
        ip: this.address,
        port: this.port,
        path: this.#path,
        hostName: "poisoned",
        superNodeIp: "127.0.0.1",
        ...(this.#authority ? { rootCAs: [Buffer.from(this.#authority).toString("base64")] } : {}),
        swarm: {
          ...{ version: SWARM_VERSION, zone: "", held: this.#blocks },
          ...(this.#tells ? { holds: this.#everything().toBase64() } : {}),
        },
      }),
    });
    return { status: response.status, text: await response.text() };
  }

  get #blocks(): number {
    return blockCount(this.#file.size);
  }

  async #register(): Promise<void> {
    const { text } = await this.register();
    const { data } = JSON.parse(text) as {
      data?: { taskId: string; swarm?: { tell?: BlockRun[] } };
    };
    if (!data?.swarm) throw new Error(`the poisoned node is in no swarm: ${text}`);
    this.#taskId = data.taskId;
    this.#toTell = data.swarm.tell ?? [];
  }

  #everything(): Bitmap {
    const bitmap = new Bitmap(this.#blocks);
    for (let block = 0; block < this.#blocks; block++) bitmap.add(block);
    return bitmap;
  }

  #told(): { first: number; digests: string[] }[] {
    if (this.#tells === "nothing") return [];
    return this.#toTell.splice(0).map(({ first, count }) => ({
      first,
      digests: Array.from({ length: count }, (_, index) => {
        const bytes = blockBytes(this.#file.size);
        const at = (first + index) * bytes;
        const right = this.#file.content.subarray(at, at + bytes);
        const said = this.#tells === "what is right" ? right : flipped(right);
        return createHash("sha256").update(said).digest("base64");
      }),
    }));
  }

  async #report(): Promise<void> {
    const task = {
      ...{ taskId: this.#taskId, cid: this.#cid, held: this.#blocks, neighbours: 1 },
      told: this.#told(),
    };
    const response = await fetch(`${this.#supernode}/swarm/heartbeat`, {
      method: "POST",
      body: JSON.stringify({ version: SWARM_VERSION, tasks: [task] }),
    });
    const { tasks } = (await response.json()) as { tasks: { tell?: BlockRun[] }[] };
    this.#toTell.push(...(tasks[0]?.tell ?? []));
  }

  /** Says that it has everything, and is not busy. */
  #boast(response: ServerResponse): void {
    const load = { queueMs: 0, blockMs: 1 };
    response.write(encodeHave({ bitmap: this.#everything(), have: [], load }));
    const timer = setInterval(() => response.write(encodeHave({ have: [], load })), 200);
    response.once("close", () => clearInterval(timer));
  }

  #send(
    request: IncomingMessage,
    response: ServerResponse,
    poison: (bytes: Buffer, response: ServerResponse) => void,
  ): void {
    const range = parseRangeHeader(request.headers.range, this.#file.size);
    if (range.kind !== "part" || range.end - range.start >= blockBytes(this.#file.size)) {
      response.writeHead(400).end();
      return;
    }
    const { remoteAddress, localAddress } = request.socket;
    const from = `${remoteAddress} ${localAddress}`;
    this.asked.set(from, (this.asked.get(from) ?? 0) + 1);
    response.statusCode = 206;
    response.once("finish", () => this.taken.set(from, (this.taken.get(from) ?? 0) + 1));
    poison(this.#file.content.subarray(range.start, range.end + 1), response);
  }
}

function flipped(bytes: Uint8Array): Buffer {
  const wrong = Buffer.from(bytes);
  wrong[Math.floor(wrong.length / 2)]! ^= 0xff;
  return wrong;
}

async function freshPlace(): Promise<{ address: string; port: number }> {
  const address = freshAddress();
  return { address, port: await freePort(address) };
}
