import { existsSync } from "node:fs";
import * as z from "zod";
import {
  DEFAULT_CONFIG_FILE,
  loadConfig,
  loadReferences,
  readPeerOptions,
  unreadableByDfdaemon,
} from "../../proxy/mod.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { openLinks } from "../../runtime/links/links.ts";
import { getLogger } from "../../runtime/logger.ts";
import { usualAuthorizationFor } from "../auth_file.ts";
import { HostFiles } from "../setup/host_files.ts";
import { urlOf } from "../setup/node_setup.ts";
import { SupernodeApi } from "../supernode_api.ts";
import { askPort, type PortAnswer } from "./ask_port.ts";
import type { Finding, NodeUnderTest } from "./check.ts";
import { page } from "./page.ts";
import { couldNotSee } from "./run_checks.ts";

const NAME = "configuration";

const versionSchema = z.object({ Peer: z.object({ ip: z.string(), port: z.number() }).optional() });

/**
 * Reads the configuration of this node, on which all else rests.
 *
 * @returns what there is to say of it, and the node where it can be read
 */
export async function lookAtNode(
  configFile = DEFAULT_CONFIG_FILE,
  root = "/",
): Promise<{ finding: Finding; node?: NodeUnderTest }> {
  const isThere = existsSync(configFile);
  try {
    const file = isThere || configFile !== DEFAULT_CONFIG_FILE ? configFile : undefined;
    const config = await loadConfig({ file, env: process.env, flags: {} });
    const peer = await readPeerOptions(config);
    const http = new HttpClient({
      hostAliases: config.hostAliases,
      links: await openLinks(peer.links, getLogger("dfctl")),
    });
    const dfdaemon = urlOf(config);
    const answer = await askPort(http, `${dfdaemon}/debug/version`);
    const running = runningPeer(answer);
    const isOther = running !== undefined && peer.port !== 0 && running.port !== peer.port;
    const node: NodeUnderTest = {
      ...{ configFile, config, http, dfdaemon, answer },
      peer: running && !isOther ? { ...peer, ip: running.ip } : peer,
      otherPeerPort: isOther ? running.port : undefined,
      // The check of the certificates says what is wrong with them.
      references: await loadReferences(config).catch(() => undefined),
      supernodes: peer.supernodes.map((address) => new SupernodeApi(address, http)),
      host: new HostFiles(root),
      credentials: (host) => usualAuthorizationFor(host, process.env),
    };
    const [unreadable] = await unreadableByDfdaemon(config, peer.links);
    const finding: Finding = unreadable
      ? { name: NAME, state: "fail", ...unreadable }
      : judge(node, isThere);
    return { finding, node };
  } catch (error) {
    const { message } = error as Error;
    if (/permi|EACCES/.test(message))
      return { finding: { name: NAME, ...couldNotSee(error as Error) } };
    return {
      finding: {
        ...{ name: NAME, state: "fail", says: message },
        todo: "mend it, and look with: dfdaemon config check",
      },
    };
  }
}

/**
 * Where the peer server of a running dfdaemon is. It has chosen its address when it began, when another supernode
 * may have answered, or none; to work it out anew may lead to another address of this host.
 */
function runningPeer(answer: PortAnswer): { ip: string; port: number } | undefined {
  if (typeof answer === "string") return undefined;
  try {
    return versionSchema.parse(JSON.parse(answer.text)).Peer;
  } catch {
    // Whether it is dfdaemon that answers is looked at by the checks.
    return undefined;
  }
}

function judge({ config, peer, configFile }: NodeUnderTest, isThere: boolean): Finding {
  if (!isThere)
    return {
      ...{ name: NAME, state: "warn", says: `no ${configFile}: defaults are in effect` },
      todo: `write one; all keys: ${page("reference/configuration.md")}`,
    };
  if (peer.supernodes.length === 0)
    return {
      ...{ name: NAME, state: "warn", says: "no supernode is configured: nothing is shared" },
      todo: "name one in nodes of dfget.yml",
    };
  const isShared = config.proxies.some(({ direct }) => !direct) || !config.registry_mirror.direct;
  if (!isShared)
    return {
      ...{ name: NAME, state: "warn", says: "every rule says direct: nothing is shared" },
      todo: "look at proxies and registry_mirror.direct",
    };
  return { name: NAME, state: "ok", says: `${configFile} can be used` };
}
