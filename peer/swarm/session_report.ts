import type { PieceLayout } from "../../protocol/piece_range.ts";
import {
  MAX_AWAITED,
  MAX_OWED,
  MAX_STARVED,
  MAX_WRONG,
  type TaskReport,
  type WrongBlock,
} from "../../protocol/swarm/messages.ts";
import type { AwaitedBlocks } from "../download/awaited_blocks.ts";
import type { TaskFile } from "../store/task_file.ts";
import type { BlockChooser } from "./choose_blocks.ts";
import type { DigestTelling } from "./digest_telling.ts";
import { MeasuredRates } from "./measured_rates.ts";
import type { Neighbours } from "./neighbours.ts";
import { piecesHeld } from "./pieces_held.ts";
import type { SourceRunner } from "./source_runner.ts";

/** What is waited for in vain is told up to so many bytes at a time: those who keep it waiting may only be slow. */
const OWED_BYTES = 4 * 1024 * 1024;

export interface SessionReportOptions {
  file: TaskFile;
  chooser: BlockChooser;
  neighbours: Neighbours;
  runner: SourceRunner;
  telling: DigestTelling;
  awaited: Pick<AwaitedBlocks, "blocks">;
}

/** What the supernode is told of one download by a heartbeat: how it stands, and once each what has happened. */
export class SessionReport {
  readonly rates = new MeasuredRates(performance.now());
  readonly #options: SessionReportOptions;
  readonly #wrong: WrongBlock[] = [];

  constructor(options: SessionReportOptions) {
    this.#options = options;
  }

  /** A node has sent a wrong block. */
  wrong(block: number, from: string): void {
    this.#wrong.push({ block, from });
  }

  /**
   * The report that is due.
   *
   * @param pieces how v1 clients of this task see the file
   */
  take(taskId: string, cid: string, pieces: PieceLayout, nowMs: number): TaskReport {
    const { file, chooser, neighbours, runner, telling, awaited } = this.#options;
    const awaitedNow = awaited.blocks;
    const starvedFirst = awaitedNow.filter((block) => chooser.isStarved(block));
    return {
      taskId,
      cid,
      held: file.held.size,
      ...this.rates.take(file.servedBytes, nowMs),
      leases: runner.report(),
      wantsLeases: file.complete ? 0 : runner.wants,
      // Those first, wherever they are: whoever has them may be no neighbour.
      starved: [...new Set([...starvedFirst, ...chooser.starved(MAX_STARVED)])].slice(
        0,
        MAX_STARVED,
      ),
      awaited: awaitedNow.slice(0, MAX_AWAITED),
      owed: this.#owed(),
      dropped: neighbours.takeDropped(),
      renew: neighbours.toRenew(nowMs),
      slow: neighbours.takeSlow(),
      wrong: this.#wrong.splice(0, MAX_WRONG),
      told: telling.take(),
      neighbours: neighbours.size,
      pieces: this.#somePieces(pieces),
      leaving: false,
    };
  }

  /** What is waited for in vain. */
  #owed(): number[] {
    const { file, chooser, neighbours } = this.#options;
    const { doubted } = neighbours;
    const most = Math.min(MAX_OWED, Math.ceil(OWED_BYTES / file.layout.pieceSize));
    return doubted.size === 0 ? [] : chooser.heldOnlyBy(doubted, most);
  }

  /** Absent where all are here, or none: then the number of blocks says it. */
  #somePieces(pieces: PieceLayout): string | undefined {
    const { file } = this.#options;
    if (file.complete || file.held.size === 0) return undefined;
    return piecesHeld(file, pieces).toBase64();
  }
}
