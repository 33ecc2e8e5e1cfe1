import { makeDirectory } from "./files.ts";
import type { Logger } from "./logger.ts";
import { makeSureWritable, whyNotWritable } from "./make_sure_writable.ts";
import { within } from "./within.ts";

/** Milliseconds for which an answer holds: whoever asks often costs the disk nothing. */
const HOLDS_MS = 1000;
/** Milliseconds for an answer of the disk: one that hangs gives none. */
const PATIENCE_MS = 2000;

/** What it means that nothing can be written, for the log: before the reason, and after it. */
export interface Consequence {
  short: string;
  until: string;
}

/** Whether files can be written in a folder. Where not, the log says so once, and says when it is over. */
export class WritableFolder {
  readonly #path: string;
  readonly #consequence: Consequence;
  readonly #log: Logger;
  #look: Promise<string | undefined> | undefined;
  /** What the disk has not answered yet: a second question would wait behind it, and others' behind both. */
  #asked: Promise<string | undefined> | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #said: string | undefined;

  constructor(path: string, consequence: Consequence, log: Logger) {
    this.#path = path;
    this.#consequence = consequence;
    this.#log = log;
  }

  /** Why nothing can be written there, in a person's words; `undefined`: it can. */
  whyUnusable(): Promise<string | undefined> {
    const nowMs = performance.now();
    if (!this.#look || nowMs - this.#lookedMs > HOLDS_MS) {
      this.#lookedMs = nowMs;
      this.#look = this.#lookNow();
    }
    return this.#look;
  }

  async #lookNow(): Promise<string | undefined> {
    this.#asked ??= this.#ask().finally(() => {
      this.#asked = undefined;
    });
    const late = `no answer of the disk within ${PATIENCE_MS / 1000} s`;
    const reason = await within(PATIENCE_MS, late, this.#asked).catch(
      (error: Error) => error.message,
    );
    if (reason !== this.#said) {
      const facts = { path: this.#path, reason, ...this.#consequence };
      if (reason === undefined) this.#log.info("files can be written in {path} again", facts);
      else this.#log.error("{short}: nothing can be written in {path}: {reason}; {until}", facts);
      this.#said = reason;
    }
    return reason && `nothing can be written in ${this.#path}: ${reason}`;
  }

  async #ask(): Promise<string | undefined> {
    try {
      await makeDirectory(this.#path);
      await makeSureWritable(this.#path);
      return undefined;
    } catch (error) {
      return whyNotWritable(error as Error);
    }
  }
}
