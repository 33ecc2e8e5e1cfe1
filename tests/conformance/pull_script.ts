import { createHash } from "node:crypto";
import { Code } from "../../protocol/codes.ts";
import type { PieceTask } from "../../protocol/v1/pull_piece.ts";
import { parameters, type Transcript } from "./transcript.ts";
import { pieceBytes, pieceMd5 } from "./wire_piece.ts";

export interface PullBody {
  code: number;
  msg?: string;
  data?: PieceTask[] | { md5: string; fileLength: number };
}

/** An answer to a pull other than "wait", and what the Go client had reported when it came. */
interface Step {
  answer: PullBody;
  needs: ReadonlySet<string>;
}

export interface ScriptOptions {
  /** Where the recorded 15001 is now. */
  peerPort: number;
  content: Buffer;
  layout: { pieceSize: number; framed: boolean };
}

/** Pieces that one client is given at once (protocol §3). */
const AT_ONCE = 4;

/** What a recorded supernode told its client, pull by pull. */
export class PullScript {
  /** By piece number, as handed out so far. */
  readonly handed = new Map<number, PieceTask>();
  readonly #steps: Step[];
  readonly #options: ScriptOptions;
  readonly #reported = new Set<string>();
  /** How often the Go client was told to wait before it was told anything else. */
  #waits: number;
  #last: PullBody | undefined;
  readonly #goesOn: boolean;
  /** Of the whole content, as the end of a download says it. */
  readonly #md5: string;

  constructor(transcript: Transcript, options: ScriptOptions) {
    this.#options = options;
    // Of 300 MB it is a second's work and more: a client that waits for an answer does not wait for it.
    const { content, layout } = options;
    this.#md5 = layout.framed ? createHash("md5").update(content).digest("hex") : "";
    this.#goesOn = !wasKilled(transcript);
    const { steps, waits } = readSteps(transcript, options.peerPort);
    this.#steps = steps;
    this.#waits = waits;
  }

  /** Whether all that was recorded has been said. */
  get over(): boolean {
    return this.#steps.length === 0;
  }

  /** Answers a pull; `piece` is the one that it reported. */
  pull(query: URLSearchParams): { answer: PullBody; piece: PieceTask | undefined } {
    const piece = query.get("result") === "503" ? this.report(query.get("range")) : undefined;
    const answer = this.#next();
    for (const task of answer.code === Code.continue ? (answer.data as PieceTask[]) : [])
      this.handed.set(task.pieceNum, task);
    return { answer, piece };
  }

  /** The client has a piece. */
  report(range: string | null): PieceTask | undefined {
    const piece = [...this.handed.values()].find((task) => task.range === range);
    if (piece) this.#reported.add(piece.range);
    return piece;
  }

  #next(): PullBody {
    const wait = { code: Code.wait, msg: "peer should wait" };
    if (this.#waits > 0) {
      this.#waits -= 1;
      return wait;
    }
    const [step] = this.#steps;
    if (step) {
      if ([...step.needs].some((range) => !this.#reported.has(range))) return wait;
      this.#steps.shift();
      return (this.#last = step.answer);
    }
    if (this.#last!.code !== Code.continue) return this.#last!;
    return (this.#goesOn ? this.#beyond() : undefined) ?? wait;
  }

  /** What is not recorded of a long download goes on as it began: the next pieces, then the end. */
  #beyond(): PullBody | undefined {
    const { content, layout } = this.#options;
    const size = layout.framed ? layout.pieceSize - 5 : layout.pieceSize;
    const count = Math.ceil(content.length / size);
    if (this.#reported.size === count) {
      const fileLength = layout.framed ? content.length + 5 * count : 0;
      return { code: Code.finished, data: { md5: this.#md5, fileLength } };
    }
    const room = AT_ONCE - (this.handed.size - this.#reported.size);
    const first = this.handed.size;
    const like = this.handed.get(0)!;
    const numbers = Array.from({ length: Math.min(room, count - first) }, (_, i) => first + i);
    if (numbers.length === 0) return undefined;
    return { code: Code.continue, data: numbers.map((number) => this.#piece(number, like)) };
  }

  #piece(number: number, like: PieceTask): PieceTask {
    const { content, layout } = this.#options;
    const { pieceSize, framed } = layout;
    const range = `${number * pieceSize}-${(number + 1) * pieceSize - 1}`;
    const md5 = framed ? pieceMd5(pieceBytes(content, number, pieceSize, framed)) : "";
    return { ...like, pieceNum: number, range, pieceMd5: md5 };
  }
}

/** Whether the supernode was killed where the recording ends. */
export function wasKilled({ scenario }: Transcript): boolean {
  return scenario.endsWith("kill-midway");
}

function readSteps({ exchanges }: Transcript, peerPort: number): { steps: Step[]; waits: number } {
  const steps: Step[] = [];
  const reported = new Set<string>();
  let waits = 0;
  for (const { path, response_json } of exchanges) {
    const query = parameters(path);
    if (path.startsWith("/peer/piece/suc?")) reported.add(query.get("pieceRange")!);
    if (!path.startsWith("/peer/task?")) continue;
    if (query.get("result") === "503") reported.add(query.get("range")!);
    const answer = response_json as PullBody;
    if (answer.code === Code.wait) {
      if (steps.length === 0) waits += 1;
    } else {
      const data = Array.isArray(answer.data)
        ? answer.data.map((piece) => ({
            ...piece,
            peerPort: piece.peerPort === 15001 ? peerPort : piece.peerPort,
          }))
        : answer.data;
      const mapped = data === undefined ? answer : { ...answer, data };
      // A client that is given up drops what it was fetching: let it end that first, as v1's did.
      const goesOn = answer.code === Code.continue;
      steps.push({ answer: mapped, needs: goesOn ? new Set(reported) : reported });
    }
  }
  return { steps, waits };
}
