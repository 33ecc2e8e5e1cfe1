import { MultiBar, type SingleBar } from "cli-progress";

/** Shows how far each node's pull is. */
export interface Progress {
  /** Node `index` has received `bytes` more. */
  add(index: number, bytes: number): void;
  /** Leaves the terminal as it should be. */
  stop(): void;
}

/** Milliseconds between two plain lines. */
const LINE_MS = 2000;

/**
 * A bar a node where `output` is a terminal, else a line now and then.
 *
 * @param total bytes that each node will receive
 */
export function showProgress(
  names: readonly string[],
  total: number,
  output: NodeJS.WriteStream,
): Progress {
  return output.isTTY ? barProgress(names, total, output) : lineProgress(names, total, output);
}

function barProgress(
  names: readonly string[],
  total: number,
  output: NodeJS.WriteStream,
): Progress {
  const bars = new MultiBar({
    stream: output,
    format: "{name} [{bar}] {percentage} % | {megabytes} MB | {rate} MB/s",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 40,
    hideCursor: true,
    // Signals are the demo's own business.
    gracefulExit: false,
  });
  const startedMs = performance.now();
  const width = Math.max(...names.map((name) => name.length));
  const received = names.map(() => 0);
  const finished = names.map(() => false);
  const share = (bytes: number) => `${(bytes / 1e6).toFixed(0)}/${(total / 1e6).toFixed(0)}`;
  const lines: SingleBar[] = names.map((name) =>
    bars.create(total, 0, { name: name.padEnd(width), megabytes: share(0), rate: "0" }),
  );
  return {
    add(index, bytes) {
      received[index]! += bytes;
      const now = received[index]!;
      if (finished[index]) return;
      const seconds = (performance.now() - startedMs) / 1000;
      lines[index]?.update(now, {
        megabytes: share(now),
        rate: (now / 1e6 / seconds).toFixed(0),
      });
      finished[index] = now >= total;
    },
    stop: () => bars.stop(),
  };
}

function lineProgress(
  names: readonly string[],
  total: number,
  output: NodeJS.WriteStream,
): Progress {
  const received = names.map(() => 0);
  let last = "";
  const print = () => {
    const shares = received.map((bytes) => `${Math.floor((100 * bytes) / total)} %`);
    const line = `  received: ${shares.join(", ")}\n`;
    if (line !== last) output.write(line);
    last = line;
  };
  const timer = setInterval(print, LINE_MS);
  return {
    add(index, bytes) {
      received[index]! += bytes;
    },
    stop() {
      clearInterval(timer);
      print();
    },
  };
}
