import { seedFilePath } from "../../protocol/names.ts";
import type { LeaseGrant, LeaseOrigin, Neighbour } from "../../protocol/swarm/messages.ts";
import type { MemberAdvice } from "../schedule/member.ts";
import type { BlockOrigin } from "../schedule/open_blocks.ts";
import type { PathPass } from "../seed/path_pass.ts";
import type { Client } from "../tasks/task.ts";
import { toldPath } from "../tasks/told_path.ts";
import type { Swarm } from "./swarm.ts";

export interface AdviceInWordsOptions {
  passes: PathPass;
  /** A clock that nobody sets, ms. */
  steadyNow: () => number;
  /** Our own address, for nodes that do not say how they see us. */
  advertiseIp: string;
  /** The port of our copies. */
  downloadPort: () => number;
}

/** What is decided for a member, in addresses: where its neighbours are, and where to find what it is to fetch. */
export class AdviceInWords {
  readonly #options: AdviceInWordsOptions;

  constructor(options: AdviceInWordsOptions) {
    this.#options = options;
  }

  neighbours(swarm: Swarm, advice: MemberAdvice): Neighbour[] {
    return advice.neighbours.flatMap((one) => this.#neighbour(swarm, one) ?? []);
  }

  /** Neighbours that a member has already, by paths that are good for a while. */
  renewed(swarm: Swarm, ids: readonly string[]): Neighbour[] {
    return ids.flatMap((id) => this.#neighbour(swarm, { id, near: true }) ?? []);
  }

  leases(swarm: Swarm, client: Client, { leases }: MemberAdvice): LeaseGrant[] {
    return leases.map(({ origin, ...run }) => {
      const from = this.#placeOf(swarm, client, origin);
      return from ? { ...run, from } : run;
    });
  }

  #neighbour(swarm: Swarm, { id, near }: { id: string; near: boolean }): Neighbour | undefined {
    const client = swarm.members.get(id)?.client;
    if (!client) return undefined;
    const { ip, port } = client;
    return { id, ip, port, path: toldPath(client, this.#options.steadyNow()), near };
  }

  /** Where a node finds what it is sent for; where that is gone meanwhile, the source has it. */
  #placeOf(swarm: Swarm, client: Client, origin: BlockOrigin): LeaseOrigin | undefined {
    const { passes, steadyNow, advertiseIp, downloadPort } = this.#options;
    if (origin.kind === "peer") {
      const v1 = swarm.aside.client(origin.cid, swarm.taskIds);
      return v1 && { kind: "peer", ip: v1.ip, port: v1.port, path: toldPath(v1, steadyNow()) };
    }
    const { task } = swarm.seed;
    if (origin.kind === "source" || !task) return undefined;
    const ip = client.superNodeIp || advertiseIp;
    return {
      kind: "seed",
      ip,
      port: downloadPort(),
      path: seedFilePath(task.id, passes.issue(task.id)),
      ...(swarm.seed.isShared ? { elseSource: true } : {}),
    };
  }
}
