import { copyFile, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import type { Finding } from "../../control/doctor/check.ts";
import { createAuthority, mintLeaf } from "../../runtime/certificates.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { Dfdaemon } from "../support/dfdaemon.ts";
import { createImage, MB } from "../support/image.ts";
import { ourProgram } from "../support/our_programs.ts";
import { run, runWell } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { ACCOUNT, REGISTRY_NAME, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { TokenServer } from "../support/token_server.ts";

type Config = Record<string, unknown>;

const DAY_MS = 24 * 60 * 60 * 1000;

describeWithPrograms(
  "dfctl doctor",
  { programs: ["docker-registry", "skopeo"], root: true },
  () => {
    let scratch: Scratch;
    let registry: Registry;
    let authority: Authority;
    let cluster: Cluster;
    let node: Dfdaemon;
    let root: string;
    let config: string;
    let variants = 0;

    beforeAll(async () => {
      scratch = await Scratch.open("dfctl-doctor");
      registry = await Registry.start(scratch);
      authority = await Authority.create(scratch, "nodes", 60);
      const image = await createImage(scratch, "tried", [MB]);
      await registry.push(image, "library/tried");
      cluster = await startCluster(scratch, {
        ...{ nodes: 1, cdnPattern: "local", registry, authority },
        scheme: "https",
      });
      node = cluster.nodes[0]!;
      config = join(node.home, `dfdaemon-${node.port}.yml`);
      // A host on which docker and podman are installed, and set up.
      root = await scratch.directory("root");
      await scratch.directory("root", "usr", "bin");
      await scratch.directory("root", "usr", "sbin");
      for (const program of ["sbin/dockerd", "bin/podman"])
        await writeFile(join(root, "usr", program), "");
      const { cert } = parse(await readFile(config, "utf8")).hijack_https as { cert: string };
      await mkdir(dirname(join(root, cert)), { recursive: true });
      await symlink(cert, join(root, cert));
      for (const engine of ["docker", "podman"]) {
        const flags = ["--config", config, "setup", engine, "--yes", "--root", root];
        await runWell(scratch, [...ourProgram("dfctl"), ...flags]);
      }
    });
    afterAll(() => scratch?.close());

    /** What is found with another configuration than the node's own. */
    async function examine(change: (given: Config) => void = () => {}) {
      let file = config;
      if (change.length > 0) {
        const changed = parse(await readFile(config, "utf8")) as Config;
        change(changed);
        variants += 1;
        file = join(scratch.dir, `dfdaemon-${variants}.yml`);
        await writeFile(file, stringify(changed));
      }
      const flags = ["--config", file, "--json", "doctor", "--root", root];
      const finished = await run(scratch, [...ourProgram("dfctl"), ...flags]);
      const { findings } = JSON.parse(finished.stdout.toString()) as { findings: Finding[] };
      const bad = findings.filter(({ state, name }) => state === "fail" && name !== "disk");
      const of = (name: string) => findings.filter((one) => one.name.startsWith(name));
      return { code: finished.code, findings, bad, of };
    }

    it("finds nothing on a healthy node, and has looked at everything", async () => {
      const { findings, bad, code } = await examine();
      expect(bad).toEqual([]);
      // How much room this machine has is not ours to say.
      const rest = findings.filter(({ name }) => name !== "disk");
      expect(rest.filter(({ state }) => state !== "ok")).toEqual([]);
      expect(code).toBeLessThan(2);
      expect(rest.map(({ name }) => name)).toEqual([
        "configuration",
        "certificate certpem",
        "certificate hijack_https.cert",
        `port ${node.port}`,
        `port ${node.peerPort}`,
        `supernode ${cluster.supernode.node}`,
        `registry ${registry.host}`,
        `peer port ${node.peerPort}`,
        "file descriptors",
        "docker",
        "podman",
        "pull",
      ]);
      expect(rest.at(-1)!.says).toMatch(/came by p2p, the same as from the registry/);
    });

    it("names each thing that is wrong, and what to do", async () => {
      const pem = async (name: string, text: string) => {
        const path = join(scratch.dir, name);
        await writeFile(path, text);
        return path;
      };
      const nowMs = Date.now();
      const names = [REGISTRY_NAME, node.address];
      const old = await mintLeaf(authority.files.pair, {
        ...{ names, days: 1, nowMs: nowMs - 5 * DAY_MS },
      });
      const stranger = await createAuthority({ commonName: "stranger", days: 2, nowMs });
      const strange = await mintLeaf(stranger, { names, days: 1, nowMs });
      const elsewhere = await mintLeaf(authority.files.pair, {
        names: ["x.example"],
        days: 1,
        nowMs,
      });
      const expired = { cert: await pem("old.pem", old.cert), key: await pem("old.key", old.key) };
      const strangers = {
        cert: await pem("strange.pem", strange.cert),
        key: await pem("strange.key", strange.key),
      };
      const wrongName = {
        cert: await pem("elsewhere.pem", elsewhere.cert),
        key: await pem("elsewhere.key", elsewhere.key),
      };
      const hijack = (pair: { cert: string; key: string }) => (given: Config) => {
        Object.assign(given.hijack_https as Config, pair);
      };
      const cert = "certificate hijack_https.cert";
      const faults: [what: string, name: string, says: RegExp, (given: Config) => void][] = [
        ["expired", cert, /^expired 4 d/, hijack(expired)],
        ["another key", cert, /key does not belong/, hijack({ ...expired, key: strangers.key })],
        ["a stranger's", cert, /no engine here trusts it/, hijack(strangers)],
        ["another name", cert, /is not for docker-registry/, hijack(wrongName)],
        ["no file", cert, /ENOENT/, hijack({ cert: "/nowhere.pem", key: "/nowhere.key" })],
        [
          "supernode down",
          "supernode",
          /ECONNREFUSED/,
          (given) => {
            given.supernodes = [`${cluster.supernode.address}:1`];
          },
        ],
        [
          "registry down",
          "registry",
          /ECONNREFUSED/,
          (given) => {
            given.registry_mirror = { remote: `https://${registry.address}:1` };
          },
        ],
        [
          "registry not trusted",
          "registry",
          /certificate is not accepted/,
          (given) => {
            given.registry_mirror = { remote: `https://${registry.host}` };
            (given.hijack_https as { hosts: object[] }).hosts = [];
          },
        ],
      ];
      for (const [what, name, says, change] of faults) {
        const { of, code, findings } = await examine(change);
        const failed = of(name).filter((one) => one.state === "fail");
        expect(failed.length, `${what}: ${JSON.stringify(findings)}`).toBeGreaterThan(0);
        expect(failed[0]!.says, what).toMatch(says);
        expect(failed[0]!.todo, what).toBeTruthy();
        expect(code, what).toBe(2);
      }
    });

    it("ports that others have, or nobody", async () => {
      const other = http.createServer((_request, response) => response.end("hello"));
      await new Promise<void>((resolve) => other.listen(0, node.address, resolve));
      scratch.defer(() => other.close());
      const { port } = other.address() as AddressInfo;
      const taken = await examine((given) => {
        given.port = port;
        given.certpem = "";
        given.keypem = "";
      });
      expect(taken.of(`port ${port}`)).toMatchObject(
        [{ state: "fail", says: "another program has it, not dfdaemon", todo: /ss -ltnp/ }].map(
          (one) => ({ ...one, todo: expect.stringMatching(one.todo) }),
        ),
      );
      const free = await examine((given) => {
        given.dfget_flags = ["--ip", node.address, "--port", "15999"];
      });
      expect(free.of("port 15999")).toMatchObject([
        {
          state: "warn",
          says: expect.stringContaining(`dfdaemon's peer server has port ${node.peerPort} instead`),
        },
      ]);
      expect(free.of("peer port 15999")).toMatchObject([
        { state: "fail", says: expect.stringContaining("the connection is refused") },
      ]);
    });

    it("a disk that is all but full", async () => {
      const small = await scratch.directory("small");
      await runWell(scratch, ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", small]);
      scratch.defer(() => runWell(scratch, ["umount", small]));
      const { of, code } = await examine((given) => {
        given.workHome = small;
      });
      expect(of("disk")).toMatchObject([{ state: "fail", says: expect.stringContaining(small) }]);
      expect(code).toBe(2);
    });

    it("a dfdaemon that may open few files", async () => {
      const prlimit = (...args: string[]) =>
        runWell(scratch, ["prlimit", `--pid=${node.process.pid}`, ...args]);
      const { stdout: usual } = await prlimit("--nofile", "--output=SOFT", "--noheadings");
      for (const [limit, state] of [
        ["1000", "fail"],
        ["4000", "warn"],
      ] as const) {
        await prlimit(`--nofile=${limit}:`);
        expect((await examine()).of("file descriptors")).toMatchObject([
          {
            state,
            says: `dfdaemon (process ${node.process.pid}) may open ${limit}`,
            todo: expect.stringContaining("LimitNOFILE="),
          },
        ]);
      }
      await prlimit(`--nofile=${usual.toString().trim()}:`);
    });

    it("engines that do not pull through dfdaemon, each with what sets it up", async () => {
      const bare = await scratch.directory("bare");
      const engines = async () => {
        const flags = ["--config", config, "--json", "doctor", "--root", bare];
        const { stdout } = await run(scratch, [...ourProgram("dfctl"), ...flags]);
        const { findings } = JSON.parse(stdout.toString()) as { findings: Finding[] };
        return findings.filter(({ says }) => says === "does not pull through dfdaemon");
      };
      const wanting = (name: string) => ({ name, state: "warn", todo: `dfctl setup ${name}` });
      await scratch.directory("bare/usr/bin");
      for (const program of ["containerd", "crio", "podman"])
        await writeFile(join(bare, "usr/bin", program), "");
      expect(await engines()).toMatchObject(["containerd", "crio", "podman"].map(wanting));
      // Its containerd is docker's own.
      await writeFile(join(bare, "usr/bin/dockerd"), "");
      expect(await engines()).toMatchObject(["docker", "crio", "podman"].map(wanting));
    });

    it("a configuration that cannot be used: the place, and an end", async () => {
      const { findings, code } = await examine((given) => {
        given.prot = 1;
      });
      expect(findings).toMatchObject([
        { state: "fail", says: expect.stringMatching(/\.yml:\d+: prot: unknown key/) },
      ]);
      expect(code).toBe(2);
    });

    it("pulls from a registry that wants tokens, where somebody has logged in", async () => {
      const tokens = await TokenServer.start(scratch, ACCOUNT, authority);
      const restricted = await Registry.start(scratch, { tokens });
      // What skopeo trusts when it pushes.
      await copyFile(authority.files.cert, join(restricted.authority.directory, "tokens.crt"));
      await restricted.push(await createImage(scratch, "restricted", [MB]), "team/restricted");
      const supernodes = [cluster.supernode.node];
      const other = await Dfdaemon.start(scratch, { supernodes, registry: restricted, authority });
      const pull = async (...more: string[]) => {
        const file = join(other.home, `dfdaemon-${other.port}.yml`);
        const flags = ["--config", file, "--json", "doctor", "--root", root, ...more];
        // Stands for the host's own list of authorities.
        const env = { HOME: other.home, SSL_CERT_FILE: authority.files.cert };
        const finished = await run(scratch, [...ourProgram("dfctl"), ...flags], { env });
        for (const secret of [ACCOUNT.password, basic, ...tokens.given])
          expect(finished.output).not.toContain(secret);
        const { findings } = JSON.parse(finished.stdout.toString()) as { findings: Finding[] };
        return findings.find(({ name }) => name === "pull");
      };
      const basic = Buffer.from(`${ACCOUNT.user}:${ACCOUNT.password}`).toString("base64");
      const image = ["--image", `${restricted.host}/team/restricted`];
      expect(await pull(...image)).toMatchObject({
        state: "warn",
        says: expect.stringMatching(/401, and there are no credentials for docker-registry/),
        todo: expect.stringContaining("docker login"),
      });
      await mkdir(join(other.home, ".docker"));
      const login = { auths: { [restricted.host]: { auth: basic } } };
      await writeFile(join(other.home, ".docker/config.json"), JSON.stringify(login));
      const good = (how: string) => ({ state: "ok", says: expect.stringContaining(how) });
      expect(await pull(...image)).toMatchObject(good("came by p2p"));
      expect(await pull(...image)).toMatchObject(good("came out of this node's cache"));
      expect(await pull()).toMatchObject(good("came "));
      const wrong = join(other.home, "wrong.json");
      const auth = Buffer.from("planted-user:another").toString("base64");
      await writeFile(wrong, JSON.stringify({ auths: { [restricted.host]: { auth } } }));
      expect(await pull(...image, "--authfile", wrong)).toMatchObject({
        state: "warn",
        says: expect.stringMatching(/token server .* answered 401$/),
      });
    });

    it("with no rights, no dfdaemon and no network it says what it cannot see, and ends", async () => {
      const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
      const alone = ["unshare", "--net", ...nobody];
      const command = [
        ...alone,
        process.execPath,
        join(import.meta.dirname, "../../dist/dfctl.js"),
      ];
      const finished = await run(scratch, [...command, "doctor"], { cwd: "/" });
      expect(finished.code, finished.output).toBeGreaterThan(0);
      expect(finished.stdout.toString()).toMatch(/^warn {2}configuration: no \/etc\/dragonfly/);
      expect(finished.stdout.toString()).toMatch(/^fail {2}registry index\.docker\.io: /m);
      expect(finished.stderr).toBe("");
    });
  },
);
