import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { parse, stringify } from "yaml";
import * as z from "zod";
import { taskSummarySchema } from "../../protocol/control/messages.ts";
import { allPages, codeOf } from "../docs/markdown.ts";
import { Authority } from "../support/authority.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { Podman } from "../support/podman.ts";
import { runWell } from "../support/process.ts";
import type { Scratch } from "../support/scratch.ts";
import type { CleanRoot } from "./clean_root.ts";

const REGISTRY = "registry.example.net";
const SUPERNODE = "supernode.example.net";
const IMAGE = "team/app:1";
/** Of the registry's: docker trusts whatever certificate a name on loopback shows. */
const ADDRESS = "10.64.0.9";
/** Engines of the page that are not run here, and why. */
const NOT_HERE = { crio: "Debian 12 has no CRI-O" };
/** What a node's and the supernode's packages have brought besides. */
const OTHERS = ["supernode", "dfctl", "runtime"].map((name) => `dragonfly-${name}`);
/** Where Debian's containerd and docker have their parts. */
const ENGINES = [
  ...["usr/bin/containerd", "usr/bin/ctr", "lib/systemd/system/containerd.service"],
  ...["usr/sbin/dockerd", "usr/bin/docker", "usr/sbin/runc"],
  ...["lib/systemd/system/docker.service", "lib/systemd/system/docker.socket"],
];
/** Layers are unpacked, but no container runs: that wants no kernel module, and no network. */
const DOCKER_OPTS = "--storage-driver=vfs --bridge=none --iptables=false --ip6tables=false";
/** Where docker finds control groups of the first kind, it wants this one; of the second, nothing. */
const DEVICES = `if [ "$(stat --file-system --format %T /sys/fs/cgroup)" = tmpfs ]; then
  mkdir -p /sys/fs/cgroup/devices
  mountpoint --quiet /sys/fs/cgroup/devices || mount -t cgroup -o devices cgroup /sys/fs/cgroup/devices
fi`;

/**
 * Does on a new host what docs/quickstart.md says, by the page's own commands and files; the host is at once the
 * supernode's and a node's. It leaves the host as it was, without the packages.
 *
 * @param root with the packages in /packages
 */
export async function followQuickStart(scratch: Scratch, root: CleanRoot): Promise<void> {
  const page = (await allPages()).find(({ path }) => path === "docs/quickstart.md")!.text;
  const chapters = page.split(/^## \d\. /m).slice(1);
  const linesOf = (number: number, language = "sh") =>
    codeOf(chapters[number - 1]!)
      .filter((code) => code.language === language)
      .flatMap(({ text }) => text.split("\n").filter(Boolean));
  const fileOf = (key: string) => {
    const blocks = codeOf(page).filter(({ language }) => language === "yaml");
    return blocks.find(({ text }) => text.startsWith(`${key}:`))!.text;
  };
  const inline = (start: string) => codeOf(page).find(({ text }) => text.startsWith(start))!.text;
  const type = (line: string, env = "") =>
    root.runWell("sh", "-ec", `cd /packages; ${env} ${line}`);
  /** Whoever types it sees a question, and says yes. */
  const agree = (line: string) =>
    type(`printf 'y\\n' | script --quiet --return --command '${line}' /dev/null`);

  const registry = await openHost(scratch, root);
  for (const line of linesOf(1).filter((one) => one.startsWith("apt-get"))) await type(line);
  expect(parse(await root.read("etc/dragonfly/supernode.yml"))).toMatchObject(
    parse(fileOf("base")),
  );
  for (const line of linesOf(1).filter((one) => !one.startsWith("apt-get"))) await type(line);

  const [install, ...rest] = linesOf(2);
  await type(install!);
  await root.write("etc/dragonfly/dfget.yml", fileOf("nodes"));
  await root.write("etc/dragonfly/dfdaemon.yml", fileOf("registry_mirror"));
  for (const line of rest) {
    // Who forgets whose the key must be is told so before anything is restarted.
    if (line.startsWith("chown")) {
      const checked = await root.run("dfdaemon", "config", "check");
      expect(checked.code, checked.output).toBe(1);
      expect(checked.stderr).toMatch(/hijack_https\.key: .*user dragonfly.*: chown dragonfly /);
      expect((await root.run("dfctl", "doctor")).output).toMatch(
        /^fail {2}configuration: hijack_https\.key: .*\n {6}→ chown dragonfly /m,
      );
    }
    await type(line);
  }

  await agree(inline("dfctl setup docker --restart"));
  await type(inline("docker pull"));
  const inspected = await type(`docker image inspect ${REGISTRY}/${IMAGE}`);
  expect(inspected).toContain(registry.image.manifestDigest);
  await agree(inline("dfctl setup containerd"));
  await type(inline("ctr images pull"), "CONTAINERD_SNAPSHOTTER=native");
  await agree(inline("dfctl setup podman"));
  const conf = await root.read("etc/containers/registries.conf.d/dragonfly.conf");
  const podman = await Podman.configured(scratch, "quick-start", conf, root.beside);
  const [, , reference] = inline("podman pull").split(" ");
  // It knows no way to the registry but dfdaemon: this machine cannot tell where that name is.
  const pulled = await podman.pull(reference!, registry.authority.directory);
  expect(pulled, pulled.output).toMatchObject({ code: 0 });
  expect(await podman.digest(reference!)).toBe(registry.image.manifestDigest);
  for (const [engine, reason] of Object.entries(NOT_HERE))
    console.warn(`quick start: ${engine} is not tried: ${reason}`);

  const [doctor, tasks] = linesOf(4);
  // How much room this machine has is not ours to say.
  const found = await root.run("sh", "-c", doctor!);
  expect(found.stdout.toString().replace(/^fail {2}disk.*$/m, "")).not.toMatch(/^fail/m);
  expect(found.stdout.toString()).toMatch(/^ok .*pull: .* came (by p2p|out of this node's cache)/m);
  expect(found.stdout.toString()).not.toContain("run this as root");
  const shown = await type(tasks!);
  // All three engines have had them from this one node.
  const known = z.array(taskSummarySchema).parse(JSON.parse(await type(`${tasks} --json`)));
  for (const { digest } of registry.image.layers) {
    expect(shown).toContain(digest);
    expect(known.filter(({ url }) => url.endsWith(digest))).toMatchObject([
      { clients: { waiting: 0, running: 0, success: 1, failed: 0 } },
    ]);
  }

  const undo = codeOf(page).find(({ text }) => / --undo /.test(text))!.text;
  for (const engine of ["podman", "containerd", "docker"])
    await agree(undo.replace("docker", engine));
  expect(root.has(`etc/containerd/certs.d/${REGISTRY}/hosts.toml`)).toBe(false);
  expect(await root.property("docker", "Environment")).toBe("");
  expect(await root.property("docker", "ActiveState")).toBe("active");
  await type(inline("apt-get purge"));
  await registry.close();
}

/** The names, the registry and the engine that the page takes for granted. */
async function openHost(scratch: Scratch, root: CleanRoot) {
  const kept = new Map<string, string>();
  const replace = async (path: string, text: string) => {
    kept.set(path, root.has(path) ? await root.read(path) : "");
    await root.write(path, text);
  };
  await replace("etc/hosts", `127.0.0.1 localhost ${SUPERNODE}\n${ADDRESS} ${REGISTRY}\n`);
  await root.startBeside("ip", "address", "add", `${ADDRESS}/32`, "dev", "lo").finished();
  // Whoever types it says yes to apt, too.
  await root.write("etc/apt/apt.conf.d/yes", 'APT::Get::Assume-Yes "true";\n');
  const authority = await Authority.create(scratch, "quick-start");
  await replace("etc/ssl/certs/ca-certificates.crt", authority.files.pair.cert);
  for (const path of ENGINES) {
    await mkdir(join(root.dir, path, ".."), { recursive: true });
    await copyFile(`/${path}`, join(root.dir, path));
  }
  await root.write("etc/default/docker", `DOCKER_OPTS="${DOCKER_OPTS}"\n`);
  await root.runWell("sh", "-ec", `groupadd --system docker; ${DEVICES}`);
  await root.runWell("systemctl", "daemon-reload");
  await root.runWell("systemctl", "start", "containerd", "docker");

  const { cert, key } = await authority.leaf(REGISTRY, "127.0.0.1");
  const config = join(scratch.dir, "quick-start-registry.yml");
  await writeFile(
    config,
    stringify({
      version: 0.1,
      storage: { filesystem: { rootdirectory: join(scratch.dir, "quick-start-registry") } },
      http: { addr: ":443", tls: { certificate: cert, key } },
    }),
  );
  const process = root.startBeside("docker-registry", "serve", config);
  await process.until(
    "it listens",
    async () => (await root.run("curl", "--silent", "https://127.0.0.1/v2/")).code === 0,
  );
  const image: Image = await createImage(scratch, "quick-start", [MB, 5 * MB]);
  await runWell(scratch, [
    ...[...root.beside, "skopeo", "copy", "--quiet", "--insecure-policy"],
    ...[
      `--dest-cert-dir=${authority.directory}`,
      image.reference,
      `docker://127.0.0.1:443/${IMAGE}`,
    ],
  ]);
  const close = async () => {
    await process.stop();
    await root.runWell("systemctl", "stop", "docker.socket", "docker", "containerd");
    for (const [path, text] of kept) await root.write(path, text);
    // Its own authority is the operator's: no package takes it away.
    await root.runWell("rm", "/etc/dragonfly/ca.crt", "/etc/dragonfly/ca.key");
    // The page has taken the node's away, with what they are configured by.
    await root.runWell("dpkg", "--purge", ...OTHERS);
    const ours = ["etc/apt/apt.conf.d/yes", "etc/default/docker", ...ENGINES];
    await root.runWell("rm", ...ours.map((path) => `/${path}`));
    await root.runWell("systemctl", "daemon-reload");
  };
  return { authority, image, close };
}
