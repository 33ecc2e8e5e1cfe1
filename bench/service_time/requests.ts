import { SWARM_VERSION } from "../../protocol/swarm/messages.ts";

/** What a node of ours sends when it registers. */
export function registration(url: string, index: number): string {
  return JSON.stringify({
    superNodeIp: "127.0.0.1",
    rawUrl: url,
    taskUrl: url,
    cid: `c-${index}`,
    ip: `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`,
    hostName: `node-${index}`,
    port: 15001,
    path: `/peer/file/blob-${index}`,
    version: "1",
    headers: ["Authorization:Bearer abc"],
    dfdaemon: true,
    pattern: "p2p",
    swarm: { version: SWARM_VERSION, zone: "", held: 0 },
  });
}

/** … and what it sends every second or two while it downloads, and fetches nothing from the source. */
export function report(taskId: string, index: number): string {
  const task = {
    taskId,
    cid: `c-${index}`,
    held: 400,
    downRate: 120_000_000,
    upRate: 119_000_000,
    leases: [],
    wantsLeases: 0,
    starved: [800, 801, 802, 803],
    dropped: [],
    neighbours: 16,
    leaving: false,
  };
  return JSON.stringify({ version: SWARM_VERSION, tasks: [task] });
}
