import { connect, type Socket } from "node:net";
import { afterAll, expect, it } from "vitest";
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
      const options = { nodes: 1, cdnPattern: "source" as const, registry, authority };
      const { supernode, nodes } = await startCluster(scratch, options);
      const [node] = nodes;
      const ports = [
        [supernode.address, supernode.port],
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
      const into = await scratch.directory("pulled");
      const trust = authority.directory;
      const pull = { registry, repository: "slow/image", into, proxy: node!.url, trust };
      await expectImage(startSkopeoPull(scratch, pull), into, image);
      // They were there all the time.
      expect(sockets.filter((socket) => !socket.destroyed)).toHaveLength(3 * CONNECTIONS);
      for (const { process } of [supernode, ...nodes]) expect(process.running).toBe(true);
    });
  },
);
