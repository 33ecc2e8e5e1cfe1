import type { FilePart, OpenFile } from "../contract.ts";
import type { Download } from "./download.ts";
import { orderedStream } from "./ordered_stream.ts";
import type { ReaderBuffers } from "./reader_buffers.ts";

/** Milliseconds for which a download goes on after its last reader has left: engines try again soon. */
const LINGER_MS = 5000;
/** Milliseconds in which the first reader should turn up. */
const FIRST_READER_MS = 30_000;

/** A download with any number of readers, given up some time after the last of them has left. */
export class SharedDownload {
  readonly download: Download;
  readonly #buffers: ReaderBuffers;
  #readers = 0;
  #lonely: NodeJS.Timeout | undefined;

  /** @param buffers of all the node's readers */
  constructor(download: Download, buffers: ReaderBuffers) {
    this.download = download;
    this.#buffers = buffers;
    this.#expectReader(FIRST_READER_MS);
  }

  async openFile(): Promise<OpenFile> {
    const { download } = this;
    if (this.#readers === 0) this.#expectReader(FIRST_READER_MS);
    const file = await download.file;
    return {
      taskId: download.membership?.taskId ?? download.plan.taskId,
      length: file.layout.length,
      stream: (range?: FilePart) => {
        this.#readers += 1;
        clearTimeout(this.#lonely);
        download.handedOut = true;
        return orderedStream(download, range, this.#buffers, () => {
          this.#readers -= 1;
          if (this.#readers === 0) this.#expectReader(LINGER_MS);
        });
      },
      giveBack: (chunk) => this.#buffers.give(chunk),
      quietMs: () => download.quietMs,
      hashedStart: () => download.hashedStart(),
      done: download.done,
    };
  }

  settled(): void {
    clearTimeout(this.#lonely);
  }

  #expectReader(ms: number): void {
    clearTimeout(this.#lonely);
    if (this.download.state !== "running") return;
    this.#lonely = setTimeout(() => this.download.abort("nobody reads it any more"), ms);
    this.#lonely.unref();
  }
}
