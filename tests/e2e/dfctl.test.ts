import { readFile } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import { freshAddress } from "../support/addresses.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { ourProgram } from "../support/our_programs.ts";
import { type Finished, RunningProgram, run, runWell } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { startSupernode } from "../support/supernode.ts";

describeWithPrograms("dfctl, asked", { programs: ["docker-registry", "skopeo"] }, () => {
  const repository = "library/looked-at";
  let scratch: Scratch;
  let registry: Registry;
  let image: Image;
  let cluster: Cluster;

  beforeAll(async () => {
    scratch = await Scratch.open("dfctl");
    registry = await Registry.start(scratch);
    const authority = await Authority.create(scratch, "nodes");
    image = await createImage(scratch, "looked-at", [MB, 30 * MB]);
    await registry.push(image, repository);
    cluster = await startCluster(scratch, { nodes: 2, cdnPattern: "source", registry, authority });
    const client = new HttpClient();
    scratch.defer(() => client.close());
    for (const node of cluster.nodes) {
      const url = `${node.url}/v2/${repository}/blobs/${image.layers[1]!.digest}`;
      await client.text(url, {}, 40 * MB);
    }
  });
  afterAll(() => scratch?.close());

  const dfctl = (...args: string[]): Promise<Finished> =>
    run(scratch, [...ourProgram("dfctl"), "--supernode", cluster.supernode.node, ...args], {
      env: { LANG: "C.UTF-8" },
    });
  const shown = async (...args: string[]) => {
    const finished = await dfctl(...args);
    expect(finished, finished.output).toMatchObject({ code: 0, stderr: "" });
    return finished.stdout.toString();
  };

  it("status: a row for each supernode", async () => {
    const [head, row] = (await shown("status")).split("\n");
    expect(head).toMatch(/^supernode +state +version/);
    expect(row).toContain(`${cluster.supernode.node}  ready`);
    const [status] = JSON.parse(await shown("status", "--json"));
    expect(status).toMatchObject({ cdnPattern: "source", peers: 2, tasks: 1, draining: false });
  });

  it("tasks, peers: what is distributed, and by whom", async () => {
    const tasks = await shown("tasks");
    expect(tasks).toContain(image.layers[1]!.digest);
    // Nobody has asked the supernode for one of its own.
    expect(tasks).toMatch(/ 31\.5 MB {2}- /);
    expect(await shown("tasks", "--filter", "nothing-of-the-kind")).toBe("no such task\n");
    // On a terminal that does not say how wide it is, too.
    const command = [...ourProgram("dfctl"), "--supernode", cluster.supernode.node, "tasks"];
    const unsized = await runWell(scratch, [
      ...["script", "--quiet", "--return", "--command"],
      ...[`stty columns 0; ${command.join(" ")}`, "/dev/null"],
    ]);
    expect(unsized.stdout.toString()).toMatch(/^task .* url\r\n/);
    expect(unsized.stdout.toString()).toContain(image.layers[1]!.digest);
    const peers = JSON.parse(await shown("peers", "--json")) as { ip: string; port: number }[];
    expect(peers.map(({ ip, port }) => `${ip}:${port}`).sort()).toEqual(
      cluster.nodes.map(({ address, peerPort }) => `${address}:${peerPort}`).sort(),
    );
    for (const { address } of cluster.nodes) expect(await shown("peers")).toContain(address);
  });

  it("task: found by the beginning of its id, or by the digest; a picture of who holds what", async () => {
    const [{ id }] = JSON.parse(await shown("tasks", "--json"));
    const picture = await shown("task", id.slice(0, 8));
    expect(picture).toContain(`task       ${id}`);
    expect(picture).toMatch(/copies +2{8}\n/);
    for (const { address, peerPort } of cluster.nodes)
      expect(picture).toMatch(new RegExp(`${address}:${peerPort} +█{8} +100 %\n`));
    expect(picture).toContain("its own copy: none");
    const { digest } = image.layers[1]!;
    // As docker shows it while it pulls.
    for (const name of [digest, digest.slice(0, 19), digest.slice(7, 19)])
      expect(await shown("task", name)).toContain(id);
    const missing = await dfctl("task", "ffffffffffffffff");
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining("dfctl tasks") });
  });

  it("says who does not answer, and goes on with the others", async () => {
    const both = `${cluster.supernode.node},${cluster.supernode.address}:1`;
    const finished = await dfctl("--supernode", both, "status");
    expect(finished.code).toBe(0);
    expect(finished.stderr).toMatch(/^dfctl: supernode .*:1: GET .*ECONNREFUSED.*\n$/);
    const alone = await dfctl("--supernode", `${cluster.supernode.address}:1`, "status");
    expect(alone).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^dfctl: .*ECONNREFUSED .*--supernode/),
    });
    expect(await dfctl("--supernode", "there:99999", "status")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('"there:99999": expected host[:8002]'),
    });
    const begun = await dfctl("--supernode", both, "preheat", `${registry.host}/no/such`);
    expect(begun).toMatchObject({ code: 2, stderr: expect.stringContaining("ECONNREFUSED") });
    expect(begun.stdout.toString()).toMatch(/: preheat \S+ has begun\n$/);
  });

  it("waits no longer than somebody wants: ctrl-C leaves the terminal as it was, and the work to the supernode", async () => {
    const slow = http.createServer((request, response) => {
      const head = { "content-length": 100 * MB, "accept-ranges": "bytes" };
      response.writeHead(200, head);
      // Its first byte, and no other.
      request.method === "HEAD" ? response.end() : response.write("a");
    });
    scratch.defer(() => slow.close());
    scratch.defer(() => slow.closeAllConnections());
    const address = freshAddress();
    await new Promise<void>((resolve) => slow.listen(0, address, resolve));
    const url = `http://${address}:${(slow.address() as AddressInfo).port}/slow`;
    const seeding = await startSupernode(scratch, { cdnPattern: "local" });
    const command = [...ourProgram("dfctl"), "--supernode", seeding.node];
    // On a terminal of its own, where a bar is shown.
    const shell = `exec script --quiet --return --command '${[...command, "preheat", url, "--wait"].join(" ")}' /dev/null`;
    const waiting = RunningProgram.start(scratch, ["sh", "-c", shell]);
    await waiting.until("the bar is there", () => waiting.stdout.includes("0/1 files"));
    const [child] = await childrenOf(waiting.pid);
    // A terminal sends it to all who are in its foreground.
    process.kill(-child!, "SIGINT");
    const ended = await waiting.finished();
    expect(ended).toMatchObject({ code: 130 });
    const said = ended.stdout.toString();
    expect(said).toMatch(/dfctl: the supernodes go on with it: `dfctl status` counts preheats/);
    // The cursor is seen again, and long lines go on in the next.
    expect(said.lastIndexOf("\x1b[?25h")).toBeGreaterThan(said.lastIndexOf("\x1b[?25l"));
    expect(said.lastIndexOf("\x1b[?7h")).toBeGreaterThan(said.lastIndexOf("\x1b[?7l"));

    const draining = RunningProgram.start(scratch, [...command, "drain", "--wait"]);
    await draining.until("it has asked", async () => {
      const [status] = JSON.parse(await shown("--supernode", seeding.node, "status", "--json"));
      return status.draining;
    });
    draining.signal("SIGINT");
    expect(await draining.finished()).toMatchObject({
      code: 130,
      stderr: expect.stringMatching(/is not drained yet, at work: .*dfctl drain --undo/),
    });
  });

  it("preheat --wait: the supernode has the whole image", async () => {
    const name = `${registry.host}/${repository}:latest`;
    const url = `https://${registry.host}/v2/${repository}/manifests/latest`;
    // The registry's certificate is signed by nobody whom the supernode trusts.
    const refused = await dfctl("preheat", name, "--wait");
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("certificate") });
    expect(refused.stderr).toContain(url);
    expect(await dfctl("preheat", "No:Image:at all")).toMatchObject({ code: 1 });

    const trusting = await startSupernode(scratch, {
      cdnPattern: "local",
      registry,
      env: { SSL_CERT_FILE: registry.authority.files.cert },
    });
    const said = await shown("--supernode", trusting.node, "preheat", name, "--wait");
    expect(said).toMatch(/: has all 3 files, 32\.5 MB\n$/);
    const tasks = JSON.parse(await shown("--supernode", trusting.node, "tasks", "--json"));
    expect(tasks.map(({ cdnStatus }: { cdnStatus: string }) => cdnStatus)).toEqual([
      ...["SUCCESS", "SUCCESS", "SUCCESS"],
    ]);
    const removed = await shown("--supernode", trusting.node, "rm", image.layers[1]!.digest);
    expect(removed).toMatch(/: forgot the task, its copy of 31\.5 MB is deleted\n$/);
  });

  it("preheat in pattern source: the copy that was asked for is shown, and drawn", async () => {
    const seeding = await startSupernode(scratch, {
      cdnPattern: "source",
      registry,
      env: { SSL_CERT_FILE: registry.authority.files.cert },
    });
    const there = ["--supernode", seeding.node];
    await shown(...there, "preheat", `${registry.host}/${repository}:latest`, "--wait");
    const rows = (await shown(...there, "tasks")).trim().split("\n").slice(1);
    expect(rows).toHaveLength(3);
    for (const row of rows) expect(row).toMatch(/ whole /);
    const picture = await shown(...there, "task", image.layers[1]!.digest);
    expect(picture).toContain("its own copy: whole");
    expect(picture).toMatch(/^supernode +█{8}$/m);
  });

  it("on a terminal of 60 columns no line is broken", async () => {
    const command = [...ourProgram("dfctl"), "--supernode", cluster.supernode.node];
    for (const what of ["status", "tasks", "peers"]) {
      const typed = `stty cols 60; ${[...command, what].join(" ")}`;
      const { stdout } = await runWell(scratch, [
        ...["script", "--quiet", "--return", "--command", typed, "/dev/null"],
      ]);
      const lines = stdout.toString().trim().split(/\r?\n/);
      expect(lines.length).toBeGreaterThan(1);
      for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(60);
    }
  });

  it("drain --wait: resolves when nothing is left to do; new downloads go straight", async () => {
    expect(await shown("drain", "--wait")).toBe(`${cluster.supernode.node}: drained\n`);
    expect(await shown("status")).toContain("drained");
    const client = new HttpClient();
    scratch.defer(() => client.close());
    const digest = image.layers[0]!.digest;
    const url = `${cluster.nodes[0]!.url}/v2/${repository}/blobs/${digest}`;
    expect((await client.text(url)).status).toBe(200);
    expect(await shown("tasks")).not.toContain(digest);
    expect(await shown("drain", "--undo")).toBe(`${cluster.supernode.node}: ready\n`);
    const [{ id }] = JSON.parse(await shown("tasks", "--json"));
    const both = `${cluster.supernode.node},${cluster.supernode.address}:1`;
    const half = await dfctl("--supernode", both, "rm", id);
    expect(half).toMatchObject({ code: 2, stderr: expect.stringContaining("ECONNREFUSED") });
    expect(half.stdout.toString()).toContain("forgot the task");
  });
});

async function childrenOf(pid: number): Promise<number[]> {
  const listed = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return listed.trim().split(" ").map(Number);
}
