import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect } from "vitest";
import { parse } from "yaml";
import { DATA_SUFFIX } from "../../peer/store/catalog.ts";
import { SWARM_VERSION } from "../../protocol/swarm/messages.ts";
import { taskId } from "../../protocol/task_id.ts";
import type { HttpClient } from "../../runtime/http_client.ts";
import type { Cluster } from "./cluster.ts";
import { filesBelow } from "./files_below.ts";
import type { Layer } from "./image.ts";
import type { Registry } from "./registry.ts";

export interface StrangerOptions {
  client: HttpClient;
  cluster: Cluster;
  registry: Registry;
  repository: string;
  layer: Layer;
}

/** A host that knows a layer's URL, so its task's id, and all ports, and whom no registry has let in. */
export class Stranger {
  readonly #options: StrangerOptions;
  readonly #url: string;
  readonly #task: string;

  constructor(options: StrangerOptions) {
    const { registry, repository, layer } = options;
    this.#options = options;
    this.#url = `https://${registry.host}/v2/${repository}/blobs/${layer.digest}`;
    this.#task = taskId({ taskUrl: this.#url });
  }

  /**
   * @param headers as v1 writes them: `Name:value`
   * @param trusts whether it lets the supernode trust the registry: else that can ask nothing in its name
   */
  register(headers: string[], trusts = true): Promise<{ status: number; text: string }> {
    const { client, cluster, registry } = this.#options;
    return client.text(`http://${cluster.supernode.node}/peer/registry`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        rawUrl: this.#url,
        taskUrl: this.#url,
        cid: "127.0.0.9-1-1795513300.123",
        ip: "127.0.0.9",
        port: 15001,
        path: "/peer/file/x",
        superNodeIp: cluster.supernode.address,
        rootCAs: trusts ? [Buffer.from(registry.authority.files.pair.cert).toString("base64")] : [],
        headers,
      }),
    });
  }

  /** Asks everybody for the layer by everything it knows. */
  async expectNotOneByte(): Promise<void> {
    const { client, cluster, layer } = this.#options;
    const { supernode, nodes } = cluster;
    const { base } = parse(await readFile(join(supernode.home, "supernode.yml"), "utf8"));
    const task = this.#task;
    const digest = layer.digest.slice("sha256:".length);
    const api = `http://${supernode.node}`;
    const files = `http://${supernode.address}:${base.downloadPort}`;
    const piece = {
      Range: "bytes=0-99",
      pieceNum: "0",
      pieceSize: "4194304",
      cdnSource: "source",
    };
    const ports = nodes.map(({ address, peerPort }) => `http://${address}:${peerPort}`);
    // Names that have leaked, and the passes to them have not.
    const named = nodes.map(async ({ home, address, peerPort }) => {
      const files = (await filesBelow(home)).filter((path) => path.endsWith(DATA_SUFFIX));
      const names = files.map((path) => basename(path, DATA_SUFFIX));
      return ["file", "swarm"].flatMap((kind) =>
        names.map((name) => `http://${address}:${peerPort}/peer/${kind}/${name}`),
      );
    });
    const leaked = (await Promise.all(named)).flat();
    expect(leaked.length).toBeGreaterThan(0);
    const asked = [
      ...leaked,
      `${files}/download/${task.slice(0, 3)}/${task}`,
      `${files}/download/${task.slice(0, 3)}/${task}/${"A".repeat(32)}`,
      ...ports.flatMap((port) => [
        ...[digest, task].map((name) => `${port}/peer/file/${name}`),
        `${port}/peer/swarm/${digest}`,
        `${port}/peer/swarm/${digest}?id=x&ip=127.0.0.9&port=15001&path=x`,
      ]),
    ];
    for (const one of asked) {
      const answer = await client.text(one, { headers: piece });
      expect([401, 403, 404], one).toContain(answer.status);
    }
    const pulled = `${api}/peer/task?srcCid=x&taskId=${task}&status=700&result=502`;
    expect(JSON.parse((await client.text(pulled)).text)).toMatchObject({ code: 502 });
    const beat = await client.text(`${api}/swarm/heartbeat`, {
      method: "POST",
      body: JSON.stringify({
        version: SWARM_VERSION,
        tasks: [{ taskId: task, cid: "x", held: 0, neighbours: 0 }],
      }),
    });
    expect(JSON.parse(beat.text).tasks).toMatchObject([{ known: false, neighbours: [] }]);
  }
}
