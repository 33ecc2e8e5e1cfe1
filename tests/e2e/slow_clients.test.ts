import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { parse } from "yaml";
import { aboutOnce } from "../support/about_once.ts";
import { Authority } from "../support/authority.ts";
import { startCluster } from "../support/cluster.ts";
import { createImage, MB } from "../support/image.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";

/** Connections held to each port. */
const CONNECTIONS = 1000;
const REQUEST = `GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${"x".repeat(1000)}\r\n\r\n`;

/** Opens a connection on which a request comes at a byte a second. */
function openSlowly(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let sent = 0;
    const timer = setInterval(() => socket.write(REQUEST[sent++]!), 1000);
    socket.once("close", () => clearInterval(timer));
    socket.once("error", reject);
    socket.once("connect", () => resolve(socket));
  });
}

describeWithPrograms(
  "clients that send a byte a second",
  { programs: ["skopeo", "docker-registry"] },
  () => {
    let scratch: Scratch;
    afterAll(() => scratch?.close());

    it("do not stop a pull, a thousand on every port", async () => {
      scratch = await Scratch.open("slow-clients");
      const registry = await Registry.start(scratch);
      const authority = await Authority.create(scratch, "nodes");
      const image = await createImage(scratch, "slow", [MB, 20 * MB]);
      await registry.push(image, "slow/image");
      const options = { nodes: 1, cdnPattern: "local" as const, registry, authority };
      const { supernode, nodes } = await startCluster(scratch, options);
      const [node] = nodes;
      const { base } = parse(await readFile(join(supernode.home, "supernode.yml"), "utf8"));
      const ports = [
        [supernode.address, supernode.port],
        [supernode.address, base.downloadPort as number],
        [node!.address, node!.port],
        [node!.address, node!.peerPort],
      ] as const;
      const open = ports.flatMap(([host, port]) =>
        Array.from({ length: CONNECTIONS }, () => openSlowly(host, port)),
      );
      const sockets = await Promise.all(open);
      scratch.defer(() => {
        for (const socket of sockets) socket.destroy();
      });
      const egress = await registry.egress();
      const into = await scratch.directory("pulled");
      const trust = authority.directory;
      const pull = { registry, repository: "slow/image", into, proxy: node!.url, trust };
      await expectImage(startSkopeoPull(scratch, pull), into, image);
      // What the node has it got by the file port.
      for (const layer of image.layers)
        expect(await egress.of(layer)).toBeLessThanOrEqual(aboutOnce(layer.size));
      // They were there all the time.
      expect(sockets.filter((socket) => !socket.destroyed)).toHaveLength(
        ports.length * CONNECTIONS,
      );
      for (const { process } of [supernode, ...nodes]) expect(process.running).toBe(true);
    });
  },
);
