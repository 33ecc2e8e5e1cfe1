import { showBytes, showTime } from "../amounts.ts";
import { findSupernodes, type TargetFlags } from "../find_supernodes.ts";
import { askAll, type OutputFlags, say, sayJson } from "../output.ts";
import { sayTable } from "../table.ts";

/** `dfctl peers`: the nodes, and what they are at. */
export async function showPeers(flags: TargetFlags & OutputFlags): Promise<void> {
  const answers = await askAll(await findSupernodes(flags), (supernode) => supernode.peers());
  const peers = answers
    .flatMap(({ supernode, value }) =>
      value.map((peer) => ({ supernode: supernode.name, ...peer })),
    )
    .sort((a, b) => a.hostName.localeCompare(b.hostName) || a.ip.localeCompare(b.ip));
  if (flags.json) return sayJson(peers);
  if (peers.length === 0) return say("no node is known");
  const several = new Set(peers.map(({ supernode }) => supernode)).size > 1;
  const nowMs = Date.now();
  sayTable(
    [
      "node",
      "address",
      ...(several ? ["supernode"] : []),
      "version",
      { title: "fetching", right: true },
      { title: "has", right: true },
      { title: "failed", right: true },
      { title: "rate", right: true },
      { title: "heard of", right: true },
    ],
    peers.map((peer) => [
      peer.hostName || "-",
      `${peer.ip}:${peer.port}`,
      ...(several ? [peer.supernode] : []),
      peer.version || "-",
      String(peer.clients.waiting + peer.clients.running),
      String(peer.clients.success),
      String(peer.clients.failed),
      peer.downRate > 0 ? `${showBytes(peer.downRate)}/s` : "-",
      `${showTime(nowMs - peer.lastAccessMs)} ago`,
    ]),
  );
}
