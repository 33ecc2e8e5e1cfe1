import { SingleBar } from "cli-progress";
import type { Download } from "../download/download.ts";

/** What shows a download's progress until it is stopped. */
export interface ProgressDisplay {
  stop(): void;
}

/** Milliseconds between two lines where there is no terminal. */
const LINE_MS = 2000;
const BAR_MS = 200;
const MB = 1024 * 1024;

/**
 * Shows on standard error how a download goes: a bar with speed, time left and the share that came
 * from peers on a terminal; on anything else plain lines, and those only where asked for.
 *
 * @param wanted true: always; false: never; undefined: on a terminal
 */
export function showProgress(download: Download, wanted: boolean | undefined): ProgressDisplay {
  const terminal = process.stderr.isTTY === true;
  if (wanted === false || (wanted === undefined && !terminal)) return { stop() {} };
  const startedMs = Date.now();
  let file: { readonly layout: { readonly length: number } } | undefined;
  download.file.then(
    (begun) => {
      file = begun;
    },
    () => {},
  );
  /** Bytes; 0: it is not known how long the file is. */
  const length = () => Math.max(0, file?.layout.length ?? 0);
  const state = () => {
    const { peer, supernode, registry } = download.bytes;
    const done = peer + supernode + registry;
    const seconds = Math.max(0.001, (Date.now() - startedMs) / 1000);
    return {
      done,
      seconds,
      speed: `${(done / MB / seconds).toFixed(1)} MB/s`,
      share: `${done > 0 ? Math.round((peer / done) * 100) : 0}% from peers`,
    };
  };
  if (!terminal) {
    const line = () => {
      const { done, speed, share } = state();
      const total = length();
      const percent = total > 0 ? `${Math.floor((done / total) * 100)}% ` : "";
      process.stderr.write(`${percent}${(done / MB).toFixed(1)} MB, ${speed}, ${share}\n`);
    };
    const timer = setInterval(line, LINE_MS);
    timer.unref();
    return {
      stop() {
        clearInterval(timer);
        line();
      },
    };
  }
  const bar = new SingleBar({
    format: "{bar} {percentage}% | {doneMb}/{totalMb} MB | {speed} | {left} left | {share}",
    stream: process.stderr,
    hideCursor: true,
    barsize: 30,
  });
  let begun = false;
  const draw = () => {
    if (!file) return;
    if (!begun) bar.start(1, 0, { doneMb: "", totalMb: "", speed: "", left: "", share: "" });
    begun = true;
    const { done, seconds, speed, share } = state();
    const total = length();
    if (total > 0) bar.setTotal(total);
    bar.update(total > 0 ? done : 0, {
      doneMb: (done / MB).toFixed(1),
      totalMb: total > 0 ? (total / MB).toFixed(1) : "?",
      left: total > 0 && done > 0 ? clockTime(((total - done) / done) * seconds) : "?",
      speed,
      share,
    });
  };
  // Not before there is a file, so that it stands below the lines that say who is asked for it.
  const timer = setInterval(draw, BAR_MS);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      draw();
      if (begun) bar.stop();
    },
  };
}

/** `1:05`, `2:00:00`. */
function clockTime(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = String(Math.floor(seconds) % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}
