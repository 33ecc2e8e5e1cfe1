import { RefusedError, type SupernodeApi } from "../supernode_api.ts";
import type { Check, Finding } from "./check.ts";
import { page } from "./page.ts";

/** Whether the supernodes answer, and whether one of them takes work. */
export const supernodes: Check = {
  name: "supernode",
  patienceMs: 8000,
  async run({ supernodes: list }) {
    const findings = await Promise.all(list.map(look));
    // As long as one answers nodes go on.
    const some = findings.some(({ state }) => state === "ok");
    return findings.map((one) => (some && one.state === "fail" ? { ...one, state: "warn" } : one));
  },
};

/** Without what else could be asked: here it is this one that matters. */
function reasonOf({ cause, message }: Error): string {
  return typeof cause === "string" ? cause : message.replace(/^supernode \S+: /, "");
}

async function look(supernode: SupernodeApi): Promise<Finding> {
  const name = `supernode ${supernode.name}`;
  let ms: number;
  try {
    ms = await supernode.ping();
  } catch (error) {
    if (error instanceof RefusedError)
      return {
        ...{ name, state: "fail", says: `refuses us: ${reasonOf(error)}` },
        todo: `all programs must have the same secretFile, and the right time: Between our programs, ${page("configuration.md")}`,
      };
    return {
      ...{ name, state: "fail", says: reasonOf(error as Error) },
      todo: "is it started, is its name right in dfget.yml, does a firewall let 8002 through?",
    };
  }
  const status = await supernode.status().catch(() => undefined);
  if (status?.draining)
    return {
      ...{ name, state: "warn", says: "is draining: it takes no new work" },
      todo: `once it is to be used again, on its host: dfctl drain --undo --supernode ${supernode.name}`,
    };
  if (status?.sharing === "alone") {
    const why = status.whyAlone ?? "its log says why";
    return {
      ...{ name, state: "warn", says: `shares no tasks with the others: ${why}` },
      todo: `mend that on its host: ${page("runbook.md")}`,
    };
  }
  if (status?.cache.unusable !== undefined)
    return {
      ...{ name, state: "warn", says: `makes no copies: ${status.cache.unusable}` },
      todo: "mend that on its host; nothing is to be restarted",
    };
  const about = status ? `version ${status.version}` : "one of v1, or an older one";
  return { name, state: "ok", says: `answers in ${ms.toFixed(0)} ms, ${about}` };
}
