import { chmod, cp, mkdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { Containerd } from "../support/containerd.ts";
import type { Dfdaemon } from "../support/dfdaemon.ts";
import { filesBelow } from "../support/files_below.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { ourProgram } from "../support/our_programs.ts";
import { Podman } from "../support/podman.ts";
import { type Finished, run } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";

describeWithPrograms(
  "dfctl setup",
  {
    programs: ["containerd", "ctr", "podman", "docker-registry", "skopeo"],
    root: true,
    namespaces: true,
  },
  () => {
    const repository = "library/set-up";
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let image: Image;
    let cluster: Cluster;
    let node: Dfdaemon;
    /** A host's root directory, of which the engines read what dfctl has written. */
    let root: string;

    beforeAll(async () => {
      scratch = await Scratch.open("dfctl-setup");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes");
      image = await createImage(scratch, "set-up", [MB, 5 * MB]);
      await registry.push(image, repository);
      cluster = await startCluster(scratch, { nodes: 1, cdnPattern: "local", registry, authority });
      node = cluster.nodes[0]!;
      root = await scratch.directory("root");
      const { cert } = authority.files;
      await mkdir(dirname(join(root, cert)), { recursive: true });
      await cp(cert, join(root, cert));
    });
    afterAll(() => scratch?.close());

    const dfctl = (...args: string[]): Promise<Finished> => {
      const config = join(node.home, `dfdaemon-${node.port}.yml`);
      return run(scratch, [
        ...[...ourProgram("dfctl"), "--config", config, "setup", ...args],
        ...["--root", root],
      ]);
    };
    const well = async (...args: string[]) => {
      const finished = await dfctl(...args);
      expect(finished, finished.output).toMatchObject({ code: 0 });
      return finished.stdout.toString();
    };
    const put = async (path: string, text: string) => {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text, { mode: 0o640 });
    };
    const state = async () => {
      const files = (await filesBelow(root)).sort();
      return Promise.all(files.map(async (path) => [path, await readFile(path, "latin1")]));
    };
    const reference = () => `${registry.host}/${repository}:latest`;
    it("containerd: shows what changes, writes it, a pull goes through dfdaemon, and back", async () => {
      await put("/etc/containerd/config.toml", "version = 2 # mine\nroot = '/srv'\r\n");
      const before = await state();
      const asked = await dfctl("containerd");
      expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
      expect(asked.stdout.toString()).toContain(`+[host."${node.url}"]`);
      expect(await state()).toEqual(before);

      const said = await well("containerd", "--yes");
      expect(said).toContain("+++ /etc/containerd/config.toml");
      expect(said).toContain("systemctl restart containerd");
      expect(await well("containerd", "--yes")).toContain("nothing to change");
      const containerd = await Containerd.start(scratch, "containerd");
      const hosts = join(root, "etc/containerd/certs.d");
      // No resolver knows the registry's name: there is no way but the mirror.
      const pulled = await containerd.pullBy(hosts, reference());
      expect(pulled, pulled.output).toMatchObject({ code: 0 });
      for (const { digest } of image.layers) expect(await containerd.holds(digest)).toBe(true);

      await well("containerd", "--undo", "--yes");
      expect(await state()).toEqual(before);
      expect(await dfctl("containerd", "--undo")).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("nothing to take back"),
      });
    });

    it("podman: a pull goes through dfdaemon; what was changed since is not taken back unasked", async () => {
      const before = await state();
      // Nothing is to be told to a CRI-O that is not here.
      expect(await well("podman", "--yes", "--restart")).not.toContain("systemctl");
      const file = join(root, "etc/containers/registries.conf.d/dragonfly.conf");
      const text = await readFile(file, "utf8");
      const podman = await Podman.configured(scratch, "podman", text);
      const pulled = await podman.pull(reference(), authority.directory);
      expect(pulled, pulled.output).toMatchObject({ code: 0 });
      expect(await podman.digest(reference())).toBe(image.manifestDigest);
      await put("/usr/bin/crio", "");
      expect(await well("podman", "--undo", "--yes")).toContain("try-reload-or-restart crio");
      expect(await well("podman", "--yes")).toContain("try-reload-or-restart crio");
      await rm(join(root, "usr/bin/crio"));

      await writeFile(file, `${text}# a note of mine\n`);
      expect(await dfctl("podman", "--undo", "--yes")).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/dragonfly\.conf: changed since dfctl wrote it; --force/),
      });
      expect(await readFile(file, "utf8")).toContain("a note of mine");
      await well("crio", "--undo", "--yes", "--force");
      expect(await state()).toEqual(before);

      await put(
        "/etc/containers/registries.conf.d/mine.conf",
        `[[registry]]\nprefix = "${registry.host}"\n`,
      );
      expect(await dfctl("podman", "--yes")).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/mine\.conf has an entry for .* already/),
      });
    });

    it("docker: a drop-in and the authority; refused where docker has another proxy", async () => {
      const before = await state();
      const said = await well("docker", "--yes");
      expect(said).toContain("systemctl daemon-reload && systemctl restart docker");
      const dropIn = join(root, "etc/systemd/system/docker.service.d/dragonfly.conf");
      expect(await readFile(dropIn, "utf8")).toContain(`Environment=HTTPS_PROXY=${node.url}\n`);
      const trusted = join(root, `etc/docker/certs.d/${registry.host}/dragonfly.crt`);
      expect((await readFile(trusted, "utf8")).trim()).toBe(authority.files.pair.cert.trim());
      // Another authority alone wants no restart, which would end containers.
      await writeFile(trusted, "an older one");
      const renewed = await well("docker", "--yes", "--force");
      expect(renewed).toContain("docker is set up");
      expect(renewed).not.toContain("systemctl");
      await well("docker", "--undo", "--yes");
      expect(await state()).toEqual(before);

      await put("/etc/docker/daemon.json", '{"proxies": {"https-proxy": "http://proxy:3128"}}');
      expect(await dfctl("docker", "--yes")).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("/etc/docker/daemon.json names a proxy"),
      });
    });

    it("where nothing can be written, all stays as it is, and why is said", async () => {
      for (const path of ["docker/daemon.json", "containers/registries.conf.d/mine.conf"])
        await rm(join(root, "etc", path), { force: true });
      const readOnly = (directory: string) => [
        ...["unshare", "--mount", "sh", "-c"],
        'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"',
        directory,
      ];
      const config = join(node.home, `dfdaemon-${node.port}.yml`);
      const command = [...ourProgram("dfctl"), "--config", config, "setup"];
      const flags = ["--yes", "--root", root];
      // The first of docker's files can be written, the second cannot.
      await mkdir(join(root, "etc/docker/certs.d"), { recursive: true });
      const before = await state();
      for (const [engine, file] of [
        ["docker", "/etc/docker/certs.d"],
        ["containerd", "/etc/containerd"],
        ["podman", "/etc/containers"],
      ] as const) {
        const directory = join(root, engine === "docker" ? file : "etc");
        const refused = await run(scratch, [...readOnly(directory), ...command, engine, ...flags]);
        expect(refused.code, refused.output).toBe(2);
        expect(refused.stderr).toMatch(
          new RegExp(`^dfctl: ${file}\\S*: its file system is read-only: .*\n$`),
        );
        expect(await state()).toEqual(before);
        const undo = await dfctl(engine, "--undo", "--yes");
        expect(undo.stderr).toContain("nothing to take back");
      }
      const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
      await chmod(scratch.dir, 0o755);
      const program = [process.execPath, join(import.meta.dirname, "../../dist/dfctl.js")];
      const refused = await run(scratch, [
        ...[...nobody, ...program, "--config", config, "setup", "podman", ...flags],
      ]);
      expect(refused.stderr).toMatch(/: not permitted to write it: run this as root\n$/);
    });

    it("a file that is a link stays one; one that leads out of the root is left alone", async () => {
      const file = join(root, "etc/containerd/config.toml");
      await put("/srv/containerd.toml", "version = 2 # mine\n");
      await mkdir(dirname(file), { recursive: true });
      await rm(file, { force: true });
      await symlink("../../srv/containerd.toml", file);
      await well("containerd", "--yes");
      expect(await readlink(file)).toBe("../../srv/containerd.toml");
      expect(await readFile(join(root, "srv/containerd.toml"), "utf8")).toContain("config_path");
      await well("containerd", "--undo", "--yes");
      expect(await readlink(file)).toBe("../../srv/containerd.toml");
      expect(await readFile(join(root, "srv/containerd.toml"), "utf8")).toBe(
        "version = 2 # mine\n",
      );

      await rm(file);
      const outside = join(scratch.dir, "outside.toml");
      await writeFile(outside, "version = 2\n");
      await symlink(outside, file);
      expect(await dfctl("containerd", "--yes")).toMatchObject({
        code: 2,
        stderr: expect.stringMatching(/config\.toml is a link that leads out of/),
      });
      expect(await readFile(outside, "utf8")).toBe("version = 2\n");
      await rm(file);
    });

    it("an engine that nobody knows, and a node without dfdaemon, are mistakes said in words", async () => {
      expect(await dfctl("lxc")).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("expected docker, containerd, crio, podman"),
      });
      const bare = await run(scratch, [
        ...[...ourProgram("dfctl"), "setup", "docker"],
        ...["--root", await scratch.directory("empty")],
      ]);
      expect(bare).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("dfdaemon.yml: no such file"),
      });
    });
  },
);
