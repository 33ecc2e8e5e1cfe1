import * as z from "zod";
import { redactUrl } from "../../runtime/redact_url.ts";
import { systemTrust } from "../../runtime/system_trust.ts";
import { within } from "../../runtime/within.ts";
import { ALIVE_MS, type Ledger, TASK_MS } from "./ledger.ts";

/** Milliseconds for any answer: a registration waits for it. One that is slower is as good as gone. */
const ANSWER_MS = 300;
/** Milliseconds for a connection, and between attempts. */
const CONNECT_MS = 1000;
const RECONNECT_MS = 500;
/** A connection on which nothing comes for so long, though a renewal is sent twice a second, is made anew, ms. */
const SILENCE_MS = 5000;
/** Commands waiting for an answer at most. */
const MAX_WAITING = 10_000;

/**
 * KEYS: a task. ARGV: who claims it, for how many ms, what names of living supernodes begin with, one that
 * counts as dead. To read and to write is one step, so that two who claim at once do not both get it.
 */
const CLAIM = `
local owner = redis.call("GET", KEYS[1])
if owner and owner ~= ARGV[1] and owner ~= ARGV[4] and redis.call("EXISTS", ARGV[3] .. owner) == 1 then
  return {owner, ""}
end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
if owner and owner ~= ARGV[1] then return {ARGV[1], owner} end
return {ARGV[1], ""}
`;

/** Clients' credentials are handed on to whom this names: it must look like one of ours. */
const claimSchema = z
  .tuple([z.string().regex(/^[\d.]+:\d+$/, "the owner of a task is no supernode"), z.string()])
  .transform(([owner, before]) => ({ owner, before }));

/**
 * The ledger in a Redis or Valkey, whether that answers now or not. The client library is loaded here, and by
 * nobody who does not need it.
 *
 * @param url `redis://` or `rediss://`, with the password if there is one
 * @param site supernodes of another one share nothing with us
 */
export async function openRedisLedger(url: string, site: string): Promise<Ledger> {
  const { createClient } = await import("@redis/client");
  const prefix = `dragonfly:${site}:`;
  const alive = `${prefix}supernode:`;
  const common = {
    connectTimeout: CONNECT_MS,
    reconnectStrategy: RECONNECT_MS,
    socketTimeout: SILENCE_MS,
  };
  const client = createClient({
    url,
    socket: url.startsWith("rediss:")
      ? { ...common, tls: true, secureContext: systemTrust() }
      : common,
    // What cannot be asked now is not worth waiting for.
    disableOfflineQueue: true,
    commandsQueueMaxLength: MAX_WAITING,
    name: "dragonfly-supernode",
  });
  let trouble: Error | undefined;
  client.on("error", (error: Error) => {
    trouble = error;
  });
  client.on("ready", () => {
    trouble = undefined;
  });
  // It goes on trying in any case; how it is shows at the next question.
  const connected = client.connect();
  connected.catch((error: Error) => {
    trouble = error;
  });
  const failed = new Promise((_, reject) => client.once("error", reject));
  const first = Promise.race([connected, failed]);
  await within(CONNECT_MS, "no connection", first).catch(() => {});

  const ask = async <Answer>(question: () => Promise<Answer>): Promise<Answer> => {
    const silence = `no answer within ${ANSWER_MS} ms`;
    try {
      return await within(ANSWER_MS, silence, question());
    } catch (error) {
      // That there is no connection says less than why.
      throw new Error(`${redactUrl(url)}: ${reasonOf(trouble ?? (error as Error))}`);
    }
  };
  return {
    async renew(self, run) {
      const options = { expiration: { type: "PX", value: ALIVE_MS }, GET: true } as const;
      return z.string().parse((await ask(() => client.set(alive + self, run, options))) ?? "");
    },
    async claim(keys, self, gone = "") {
      const claims = await ask(() =>
        Promise.all(
          keys.map((key) =>
            client.eval(CLAIM, {
              keys: [`${prefix}task:${key}`],
              arguments: [self, String(TASK_MS), alive, gone],
            }),
          ),
        ),
      );
      return z.array(claimSchema).parse(claims);
    },
    async leave(self) {
      await ask(() => client.del(alive + self));
    },
    close() {
      client.destroy();
    },
  };
}

function reasonOf(error: Error): string {
  if (error instanceof AggregateError) return reasonOf(error.errors[0] as Error);
  return error.message || (error as NodeJS.ErrnoException).code || error.name;
}
