import { pieceCount } from "../../protocol/piece_range.ts";
import { Bitmap } from "../../protocol/swarm/bitmap.ts";
import {
  encodeHave,
  HAVE_INTERVAL_MS,
  HAVE_KEEPALIVE_MS,
} from "../../protocol/swarm/have_stream.ts";
import type { TaskFile } from "../store/task_file.ts";
import type { Uplink } from "./uplink.ts";

/**
 * Tells a neighbour what this node holds of a file: first all, then what comes, gathered over
 * {@link HAVE_INTERVAL_MS}, and a sign of life now and then. Ends when either side goes.
 *
 * The file must lie in blocks, as our own swarm fetches it.
 */
export function haveStream(file: TaskFile, uplink: Uplink): ReadableStream<Uint8Array> {
  let stop = () => {};
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const fresh: number[] = [];
      let sentMs = performance.now();
      const send = (bytes: Uint8Array) => {
        controller.enqueue(bytes);
        sentMs = performance.now();
      };
      const bitmap = new Bitmap(pieceCount(file.layout));
      for (const block of file.held) bitmap.add(block);
      send(encodeHave({ bitmap, have: [], load: uplink.load() }));

      const unsubscribe = file.onPiece((block) => fresh.push(block));
      const timer = setInterval(() => {
        if (file.closed) {
          stop();
          controller.close();
          return;
        }
        // A neighbour that does not read must not grow our memory: it asks again when it is back.
        if ((controller.desiredSize ?? 0) < -64) {
          stop();
          controller.error(new Error("the neighbour does not read"));
          return;
        }
        if (fresh.length === 0 && performance.now() - sentMs < HAVE_KEEPALIVE_MS) return;
        send(encodeHave({ have: fresh.splice(0), load: uplink.load() }));
      }, HAVE_INTERVAL_MS);
      stop = () => {
        clearInterval(timer);
        unsubscribe();
      };
    },
    cancel() {
      stop();
    },
  });
}
