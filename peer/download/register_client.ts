import { Code } from "../../protocol/codes.ts";
import { MAX_PIECE_SIZE } from "../../protocol/piece_size.ts";
import { Bitmap } from "../../protocol/swarm/bitmap.ts";
import { type BlockRun, blockCount, isInBlocks } from "../../protocol/swarm/blocks.ts";
import {
  type JoinRequest,
  MAX_AWAITED,
  MAX_FETCHING,
  SWARM_VERSION,
} from "../../protocol/swarm/messages.ts";
import type { RegisterData } from "../../protocol/v1/register.ts";
import { headersToWire } from "../../protocol/wire_headers.ts";
import { startSpan } from "../../runtime/tracing/tracing.ts";
import { VERSION } from "../../runtime/version.ts";
import type { TaskFile } from "../store/task_file.ts";
import {
  RegisterRefusedError,
  type SupernodeClient,
  SupernodeLostError,
} from "../supernode/supernode_client.ts";
import type { SwarmOptions } from "./swarm_types.ts";

/** Milliseconds to wait for a registration, in which the supernode asks the source for the length. */
const REGISTER_MS = 3000;
/** What the supernode that took a client in has said, or why none did. */
export type Registered =
  | { data: RegisterData; supernode: SupernodeClient }
  | { error: string; needAuth: boolean };

/**
 * Registers a client with the first supernode that takes it in (protocol §1, POST /peer/registry).
 *
 * @param file what is here already, for our own swarm
 * @param fetching what is being fetched from the source, where this node is in the swarm and lost its supernode
 * @throws the signal's reason
 */
export async function registerClient(
  options: SwarmOptions,
  file?: TaskFile,
  fetching?: readonly BlockRun[],
): Promise<Registered> {
  const { identity, source } = options;
  let error = "no supernode answers";
  let needAuth = false;
  for (const supernode of options.supernodes.candidates(performance.now(), Math.random)) {
    const span = startSpan("register", {
      kind: "client",
      parent: options.span,
      attributes: { "server.address": supernode.name },
    });
    try {
      const data = await supernode.register(
        {
          rawUrl: source.url,
          taskUrl: options.taskUrl,
          cid: identity.cid,
          ip: identity.ip,
          hostName: identity.hostName,
          port: identity.port,
          path: identity.path,
          pathKey: identity.ownPath?.message(performance.now()),
          version: VERSION,
          md5: identity.md5 || undefined,
          identifier: identity.identifier || undefined,
          callSystem: identity.callSystem || undefined,
          headers: headersToWire(source.headers),
          dfdaemon: identity.dfdaemon || undefined,
          insecure: source.tls?.insecure || undefined,
          rootCAs: source.tls?.ca?.map((pem) => Buffer.from(pem).toString("base64")),
          pattern: identity.pattern,
          pieceSha256: true,
          swarm: options.swarms && joinRequest(options, file, fetching),
        },
        REGISTER_MS,
        options.signal,
        span,
      );
      span.end();
      options.supernodes.answered(supernode);
      if (!data.pathKey) identity.ownPath?.open();
      if (data.pieceSize > MAX_PIECE_SIZE) {
        throw new RegisterRefusedError(
          Code.unknownError,
          `a piece size of ${data.pieceSize} bytes`,
        );
      }
      const { at } = data.swarm ?? {};
      const owner = at && options.supernodes.follow(at, performance.now());
      return { data, supernode: owner || supernode };
    } catch (failure) {
      span.end(failure);
      options.signal.throwIfAborted();
      if (failure instanceof SupernodeLostError)
        options.supernodes.lost(supernode, performance.now());
      else if (!(failure instanceof RegisterRefusedError)) throw failure;
      else needAuth = failure.code === Code.needAuth;
      error = `supernode ${supernode.name}: ${(failure as Error).message}`;
    }
  }
  return { error, needAuth };
}

function joinRequest(
  { zone = "", awaited }: Pick<SwarmOptions, "zone" | "awaited">,
  file?: TaskFile,
  fetching?: readonly BlockRun[],
): JoinRequest {
  const later = awaited.blocks.filter((block) => block > 0);
  const common = {
    version: SWARM_VERSION,
    zone,
    ...(fetching ? { fetching: fetching.slice(0, MAX_FETCHING) } : {}),
    ...(later.length > 0 ? { awaited: later.slice(0, MAX_AWAITED) } : {}),
  };
  const layout = file?.layout;
  // A file in v1's pieces is of no use to a swarm.
  const fits = layout && layout.length > 0 && isInBlocks(layout);
  if (!fits || file.held.size === 0) return { ...common, held: 0 };
  const holds = new Bitmap(blockCount(layout.length));
  for (const block of file.held) holds.add(block);
  return { ...common, held: holds.count, holds: holds.toBase64() };
}
