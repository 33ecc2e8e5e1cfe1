// Asks a server twice, by one connection; the second time it does not answer. Prints what came of that.
import { HttpClient } from "../http_client.ts";

const [ends, url] = process.argv.slice(2);
/** Milliseconds after which the second request is to be over. */
const PATIENCE_MS = 300;

const client = new HttpClient();
await client.text(url!, { method: "POST", body: "first" });
// The connection is free a turn later.
await new Promise((resolve) => setTimeout(resolve, 100));
const second = client.text(url!, {
  method: "POST",
  body: "second",
  ...(ends === "by its signal"
    ? { signal: AbortSignal.timeout(PATIENCE_MS) }
    : { idleTimeoutMs: PATIENCE_MS }),
});
const said = await second.then(
  () => "an answer",
  (error: Error) => `${error.name}: ${error.message}`,
);
process.stdout.write(said, () => process.exit());
