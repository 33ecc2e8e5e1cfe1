import { splitPem } from "../../runtime/certificates.ts";
import type { Host } from "../setup/plan.ts";

/** Where engines look for authorities of one registry or mirror: a directory each. */
const FOLDERS = ["/etc/docker/certs.d", "/etc/containerd/certs.d", "/etc/containers/certs.d"];

/** PEM certificates that an engine on this host trusts besides the host's own. */
export async function engineAuthorities(host: Host): Promise<string[]> {
  const found: string[] = [];
  for (const folder of FOLDERS) {
    for (const name of await host.list(folder)) {
      const files = name.endsWith(".crt")
        ? [`${folder}/${name}`]
        : (await host.list(`${folder}/${name}`))
            .filter((file) => /\.(crt|pem)$/.test(file))
            .map((file) => `${folder}/${name}/${file}`);
      const hosts = await host.read(`${folder}/${name}/hosts.toml`).catch(() => undefined);
      const named = [...(hosts ?? "").matchAll(/^\s*ca\s*=\s*\[?\s*["']([^"']+)["']/gm)];
      for (const file of [...files, ...named.map((match) => match[1]!)])
        found.push(...splitPem((await host.read(file).catch(() => "")) ?? ""));
    }
  }
  return found;
}
