import { hijackRuleFor } from "../../proxy/mod.ts";
import type { TlsTrust } from "../../runtime/tls_trust.ts";
import { registriesOf } from "../setup/plan.ts";
import type { Check, Finding, NodeUnderTest } from "./check.ts";

/** Whether the registries answer dfdaemon, and prove by certificate that they are who they say. */
export const registry: Check = {
  name: "registry",
  patienceMs: 12_000,
  run: (node) => Promise.all(registryUrls(node).map((url) => look(node, url))),
};

/** The registries that engines pull from through this node. */
function registryUrls({ config }: NodeUnderTest): string[] {
  const remote = new URL(config.registry_mirror.remote);
  const others = registriesOf(config)
    .slice(1)
    .map((host) => `https://${host === "docker.io" ? "registry-1.docker.io" : host}`)
    .filter((url) => new URL(url).hostname !== remote.hostname);
  return [remote.href.replace(/\/$/, ""), ...others];
}

/** How dfdaemon trusts a registry. */
export function trustOf({ references, config }: NodeUnderTest, url: string): TlsTrust | undefined {
  const { hostname, port, host } = new URL(url);
  const isRemote = host === new URL(config.registry_mirror.remote).host;
  const rules = references?.rules;
  return (
    (isRemote && rules?.mirror.trust) ||
    (rules && hijackRuleFor(rules, `${hostname}:${port || 443}`)?.trust)
  );
}

async function look(node: NodeUnderTest, url: string): Promise<Finding> {
  const name = `registry ${new URL(url).host}`;
  try {
    const asked = {
      tls: trustOf(node, url),
      signal: AbortSignal.timeout(10_000),
      idleTimeoutMs: 5000,
    };
    const { status } = await node.http.text(`${url}/v2/`, asked);
    if (status === 200 || status === 401 || status === 403)
      return { name, state: "ok", says: `answers ${status}, and its certificate is accepted` };
    return {
      ...{ name, state: "warn", says: `/v2/ answers ${status}: is it a registry?` },
      todo: "look at registry_mirror.remote in dfdaemon.yml",
    };
  } catch (error) {
    const { code = "" } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    const says = (error as Error).message;
    if (/CERT|SIGNATURE|ISSUER|ALTNAME/.test(code))
      return {
        ...{ name, state: "fail", says: `its certificate is not accepted: ${says}` },
        todo: "name its authority in registry_mirror.certs, or hijack_https.hosts[].certs",
      };
    return {
      ...{ name, state: "fail", says },
      todo: "can this host reach it at all? (curl -v, name resolution, firewall)",
    };
  }
}
