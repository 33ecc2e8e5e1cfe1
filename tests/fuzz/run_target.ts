import { readdir } from "node:fs/promises";
import { processUsage } from "../../bench/process_usage.ts";
import { until } from "../support/process.ts";
import type { Conversation } from "./conversation.ts";
import { Dice } from "./dice.ts";
import { answers, have } from "./send.ts";
import { logReader } from "./site.ts";
import type { Target } from "./targets.ts";

/** Connections at a time. */
const CONNECTIONS = 32;
/** Requests between two checks. */
const BATCH = 2000;
/** Share of the requests after which a program's memory should be what it needs. */
const WARM_UP = 0.2;
/** Bytes by which its memory may be more in the end: what the runtime's heap takes before it collects. */
const SPARE_RSS = 96 * 1024 * 1024;
/** Descriptors beyond those at the start that may be open in the end: idle connections to others. */
const SPARE_DESCRIPTORS = 100;

export interface Outcome {
  name: string;
  requests: number;
  connections: number;
  answers: number;
  /** Answers of 5xx, and the different reasons given. */
  errors: number;
  reasons: number;
  /** Bytes of the program's memory, after warming up and at the end. */
  rssWarm: number;
  rssEnd: number;
  seconds: number;
  /** What must not be; empty where all is well. */
  problems: string[];
}

/** Sends so many requests to a port, and looks between batches whether all is well. */
export async function runTarget(
  target: Target,
  { requests, seed }: { requests: number; seed: number },
): Promise<Outcome> {
  const { part } = target;
  const dice = new Dice(seed);
  const readLog = logReader(part);
  const problems = new Set<string>();
  const outcome = { name: target.name, requests: 0, connections: 0, answers: 0, errors: 0 };
  const reasons = new Set<string>();
  const startMs = performance.now();
  await target.check();
  const descriptors = await openDescriptors(part.process.pid);
  let rssWarm = 0;
  const rss = async () => (await processUsage(part.process.pid)).rss;

  const talk = async (limit: number, given: Set<string>) => {
    while (outcome.requests < limit && problems.size < 20 && part.process.running) {
      const { conversation, open } = target.next(dice);
      outcome.requests += conversation.requests;
      outcome.connections += 1;
      const heard = await have(open, conversation).catch((error: Error) => error);
      if (heard instanceof Error) {
        problems.add(`no connection: ${heard.message}`);
        continue;
      }
      if (heard.hung) problems.add(`hangs: ${describe(conversation)}`);
      const { count, errors } = answers(heard.text);
      outcome.answers += count;
      outcome.errors += errors.length;
      // The answer to a HEAD request has no body to give a reason in.
      const told = conversation.bytes.includes("HEAD ")
        ? errors.filter(({ reason }) => reason)
        : errors;
      for (const { status, reason } of told) {
        if (/^internal error$/.test(reason))
          problems.add(`${status} ${reason}: ${describe(conversation)}`);
        given.add(reason);
        reasons.add(reason);
      }
    }
  };

  while (outcome.requests < requests && problems.size === 0) {
    const given = new Set<string>();
    const limit = Math.min(requests, outcome.requests + BATCH);
    await Promise.all(Array.from({ length: CONNECTIONS }, () => talk(limit, given)));
    if (!part.process.running) {
      problems.add(`it has ended:\n${part.process.output.slice(-3000)}`);
      break;
    }
    await target.check().catch((error: Error) => {
      problems.add(`a valid request is not answered well: ${error.message}`);
    });
    const log = printable(await readLog());
    for (const reason of given) {
      if (reason === "" || !isNamed(reason, log))
        problems.add(`5xx of which the log knows nothing: ${reason}`);
    }
    if (rssWarm === 0 && outcome.requests >= requests * WARM_UP) rssWarm = await rss();
  }

  const result = {
    ...outcome,
    reasons: reasons.size,
    seconds: (performance.now() - startMs) / 1000,
  };
  if (!part.process.running) return { ...result, rssWarm, rssEnd: 0, problems: [...problems] };
  await until(
    "connections are closed",
    async () => (await openDescriptors(part.process.pid)) <= descriptors + SPARE_DESCRIPTORS,
  ).catch(async (error: Error) => {
    const now = await openDescriptors(part.process.pid);
    problems.add(`${error.message}: ${descriptors} descriptors at the start, ${now} in the end`);
  });
  const rssEnd = await rss();
  if (rssWarm > 0 && rssEnd > rssWarm + SPARE_RSS)
    problems.add(`memory grows: ${megabytes(rssWarm)} MB, then ${megabytes(rssEnd)} MB`);
  return { ...result, rssWarm, rssEnd, problems: [...problems] };
}

async function openDescriptors(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

/** Whether a log says why an answer was 5xx: the answer may say before it what it is about. */
function isNamed(reason: string, log: string): boolean {
  const shown = printable(reason);
  const cause = shown.slice(shown.indexOf(": ") + 2);
  return log.includes(shown) || (cause.length > 10 && log.includes(cause));
}

/** Without what a log writes in another way. */
function printable(text: string): string {
  return text.replace(/\\(x[0-9a-f]{2}|u[0-9a-f]{4}|[rnt0bfv])|[\p{Cc}\u2028\u2029]/gu, "");
}

function describe({ kind, ending, bytes }: Conversation): string {
  return `${kind} (${ending}): ${JSON.stringify(bytes.subarray(-600).toString("latin1"))}`;
}

export function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6);
}
