// Reads a URL and pauses again and again. Prints how many bytes came, and how many of them while it paused.
import { setTimeout as sleep } from "node:timers/promises";
import { HttpClient } from "../http_client.ts";

const [way, url] = process.argv.slice(2);
/** Bytes after which it pauses. */
const STEP = 5_000_000;
const PAUSES = 5;
const PAUSE_MS = 100;
/** The last one: time enough for all that the server has. */
const LAST_MS = 1000;

let got = 0;
let whilePaused = 0;
let paused = false;
let pauses = 0;

/** @returns kept when it reads on; absent: it does not pause */
function take(bytes: number): Promise<void> | undefined {
  got += bytes;
  if (paused) whilePaused += bytes;
  if (paused || got < (pauses + 1) * STEP) return undefined;
  paused = true;
  pauses += 1;
  return sleep(pauses === PAUSES ? LAST_MS : PAUSE_MS).then(() => {
    paused = false;
    if (pauses < PAUSES) return;
    process.stdout.write(JSON.stringify({ got, whilePaused }), () => process.exit());
  });
}

const client = new HttpClient();
const tls = { insecure: true };
if (way === "by reader") {
  const sink = { onHead: () => {}, onBody: ({ byteLength }: Uint8Array) => take(byteLength) };
  await client.reader.read(url!, { tls }, sink);
} else {
  const { body } = await client.request(url!, { tls });
  body.on("data", ({ byteLength }: Uint8Array) => {
    const goOn = take(byteLength);
    if (!goOn) return;
    body.pause();
    void goOn.then(() => body.resume());
  });
}
