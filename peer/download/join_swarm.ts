import { blockBytes } from "../../protocol/swarm/blocks.ts";
import { BacksourceReason } from "../../protocol/v1/report.ts";
import { BlockSession } from "../swarm/block_session.ts";
import { registerClient } from "./register_client.ts";
import { pieceLayout, type SwarmOptions, type SwarmOutcome } from "./swarm_types.ts";
import { V1Session } from "./v1_session.ts";

/**
 * Takes part in the swarm of a task until this client has all its pieces, as a v1 client does:
 * register, pull, fetch, report (protocol §1).
 *
 * @throws the file system's errors, and the signal's reason; all else is an outcome
 */
export async function joinSwarm(options: SwarmOptions): Promise<SwarmOutcome> {
  if (options.supernodes.size === 0) return { finished: false, reason: BacksourceReason.nodeEmpty };
  const registered = await registerClient(options, options.resumed);
  if ("error" in registered) {
    return { finished: false, reason: BacksourceReason.registerFailed, ...registered };
  }
  const { data, supernode } = registered;
  const { expectedLength } = options;
  if (data.fileLength >= 0 && expectedLength !== undefined && data.fileLength !== expectedLength) {
    return {
      finished: false,
      reason: BacksourceReason.registerFailed,
      error: `the supernode says ${data.fileLength} bytes, the source ${expectedLength}`,
    };
  }
  const layout = pieceLayout(data, data.fileLength >= 0 ? data.fileLength : (expectedLength ?? -1));
  const member = { taskId: data.taskId, cid: options.identity.cid, supernode };
  if (
    data.swarm &&
    options.swarms &&
    data.fileLength > 0 &&
    data.swarm.blockBytes === blockBytes(data.fileLength)
  ) {
    const file = await options.openFile(
      { pieceSize: data.swarm.blockBytes, framed: false, length: data.fileLength },
      data.taskId,
    );
    const session = new BlockSession(options, options.swarms, file, member, layout, data.swarm);
    options.swarms.add(options.fileName, session);
    return session.run();
  }
  const file = await options.openFile(layout, data.taskId);
  const session = new V1Session(options, file, member);
  return session.run();
}
