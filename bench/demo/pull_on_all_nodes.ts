import type { Cluster, ClusterNode } from "./cluster.ts";
import type { GeneratedImage } from "./image.ts";
import { readBytes } from "./node_metrics.ts";
import type { Programs } from "./program.ts";
import { showProgress } from "./progress.ts";
import { pullImage } from "./pull_client.ts";
import { REGISTRY_HOST, type RunningRegistry } from "./registry.ts";
import type { NodeRow } from "./table.ts";

/** The image's name in the registry. */
export const REPOSITORY = "demo/image";

export interface Pulls {
  cluster: Cluster;
  registry: RunningRegistry;
  image: GeneratedImage;
  programs: Programs;
  /** Aborted when one pull fails: the others are then of no use. */
  stop: AbortController;
}

/**
 * Has every node's client pull the image at the same moment, and shows how far they are.
 *
 * @throws {ProgramError} for the first node that fails; the other pulls have then ended as well
 */
export async function pullOnAllNodes(pulls: Pulls): Promise<NodeRow[]> {
  const { cluster, image, programs, stop } = pulls;
  const names = cluster.nodes.map((node) => node.name);
  const progress = showProgress(names, image.size - image.manifest.size, process.stdout);
  const rows = cluster.nodes.map((node, index) =>
    pullOn(pulls, node, (bytes) => progress.add(index, bytes)),
  );
  try {
    return await Promise.race([Promise.all(rows), programs.watch()]);
  } catch (error) {
    stop.abort(error);
    throw error;
  } finally {
    await Promise.allSettled(rows);
    progress.stop();
  }
}

/** One client's pull, and what its node says of where the bytes came from. */
async function pullOn(
  { cluster, registry, image, stop }: Pulls,
  node: ClusterNode,
  onProgress: (bytes: number) => void,
): Promise<NodeRow> {
  try {
    const { blobs, seconds } = await pullImage({
      registry: { host: REGISTRY_HOST, port: registry.port },
      repository: REPOSITORY,
      reference: image.tag,
      ca: cluster.ca.cert,
      proxy: { hostname: node.address, port: node.port },
      onProgress,
      signal: stop.signal,
    });
    const bytes = await readBytes(node);
    return {
      name: node.name,
      address: node.address,
      seconds,
      fromPeers: bytes.peer,
      fromRegistry: bytes.registry,
      verified: blobs.filter((blob) => blob.verified).length,
      digests: blobs.length,
    };
  } catch (error) {
    throw await node.program.failure((error as Error).message);
  }
}
