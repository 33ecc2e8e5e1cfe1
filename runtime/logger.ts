import { statSync } from "node:fs";
import { dirname } from "node:path";
import { getFileSink, getRotatingFileSink } from "@logtape/file";
import {
  configure,
  dispose,
  getJsonLinesFormatter,
  getLogger as getTapeLogger,
  getTextFormatter,
  type Logger,
  type LogLevel,
  type LogRecord,
  type Sink,
  type TextFormatter,
} from "@logtape/logtape";
import * as z from "zod";
import { makeDirectory } from "./files.ts";
import { documented } from "./key_notes.ts";
import { withoutSecretWords } from "./secret_word.ts";

/** The `logConfig` block of every program's configuration. */
export const logConfigSchema = z.strictObject({
  maxSize: documented(
    z.number().nonnegative(),
    "MB after which a log file is rotated; 0: 40",
  ).default(0),
  maxBackups: documented(z.number().int().nonnegative(), "rotated files to keep; 0: 1").default(0),
  path: documented(z.string(), "log file; `/dev/stdout` and its like are not rotated", {
    type: "path",
    default: "the program's usual one",
  }).default(""),
  format: documented(z.enum(["text", "json"]), "`text` for people, `json`: a JSON object a line", {
    ours: true,
  }).default("text"),
});
export type LogConfig = z.infer<typeof logConfigSchema>;

export interface LogOptions extends Partial<LogConfig> {
  /** Files by the part of the program that writes them: `{ dfdaemon: "/…/dfdaemon.log" }`. */
  files: Readonly<Record<string, string>>;
  /** Debug messages too. */
  verbose?: boolean;
  /** Also write to standard error. */
  stderr?: boolean;
}

export type { Logger };

/** The logger of one part of a program; its messages go to the file given for that part. */
export function getLogger(part: string): Logger {
  return getTapeLogger(["dragonfly", part]);
}

/**
 * Directs all loggers of this process: one rotated file a part, and standard error. A log file that
 * cannot be written is said on standard error and is no reason to stop.
 */
export async function configureLogging(options: LogOptions): Promise<void> {
  const format: TextFormatter =
    options.format === "json"
      ? getJsonLinesFormatter()
      : getTextFormatter({ timestamp: "rfc3339", category: ".", value: "bare" });
  const formatter: TextFormatter = (record) => withoutSecretWords(format(record));
  const sinks: Record<string, Sink> = {};
  if (options.stderr) sinks.stderr = stderrSink(formatter);
  for (const [part, path] of Object.entries(options.files)) {
    try {
      await makeDirectory(dirname(path));
      // A file's records are flushed to the disk one by one, which takes milliseconds, and a busy disk seconds:
      // nobody is to wait for that. Each is written at once, but for those that come during a flush.
      const form = { formatter, bufferSize: 0, nonBlocking: true };
      sinks[part] = guarded(
        isStream(path)
          ? getFileSink(path, form)
          : getRotatingFileSink(path, {
              ...form,
              maxSize: (options.maxSize || 40) * 1024 * 1024,
              maxFiles: options.maxBackups || 1,
            }),
      );
    } catch (error) {
      process.stderr.write(`cannot write log file ${path}: ${(error as Error).message}\n`);
    }
  }
  const always = options.stderr ? ["stderr"] : [];
  const level: LogLevel = options.verbose ? "debug" : "info";
  await configure({
    reset: true,
    sinks,
    loggers: [
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: always },
      { category: ["dragonfly"], lowestLevel: level, sinks: always },
      ...Object.keys(options.files)
        .filter((part) => part in sinks)
        .map((part) => ({ category: ["dragonfly", part], lowestLevel: level, sinks: [part] })),
    ],
  });
}

/** Writes out what is buffered and closes the files. */
export const closeLogging = dispose;

/**
 * Whether a path is no file that can be put aside for the next one, such as `/dev/stdout`, which v1's
 * examples name: it would be renamed for all programs of the host.
 */
function isStream(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  return /^\/(dev|proc)\//.test(path) || (stats !== undefined && !stats.isFile());
}

/** A full disk must not take the program down with its log. */
function guarded(sink: Sink & Partial<AsyncDisposable>): Sink & AsyncDisposable {
  const safe = (record: LogRecord) => {
    try {
      sink(record);
    } catch {
      // Nothing is left to say it to; standard error has the same message.
    }
  };
  return Object.assign(safe, { [Symbol.asyncDispose]: async () => sink[Symbol.asyncDispose]?.() });
}

function stderrSink(formatter: TextFormatter): Sink {
  return (record) => {
    process.stderr.write(formatter(record));
  };
}
