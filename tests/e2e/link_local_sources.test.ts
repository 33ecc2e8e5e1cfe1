import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freshAddress } from "../support/addresses.ts";
import { until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Scratch } from "../support/scratch.ts";
import { type Supernode, startSupernode } from "../support/supernode.ts";

/** Where clouds keep their machines' credentials. */
const METADATA = "169.254.169.254";
const NAME = "rebinds.test";
const REFUSED = / is a link-local address, from which this supernode fetches nothing/;

/** Started by a shell that has this file in the place of /etc/hosts. */
const withHosts = (path: string) => [
  ...["unshare", "--mount", "sh", "-c"],
  `mount --bind "${path}" /etc/hosts && exec "$@"`,
  "sh",
];

describeWithPrograms(
  "a supernode that is led to a link-local address",
  { programs: [], namespaces: true },
  () => {
    let scratch: Scratch;
    let supernode: Supernode;
    let source: string;
    let port: number;
    let hosts: string;
    const address = freshAddress();
    const resolveTo = (to: string) => writeFileSync(hosts, `${to} ${NAME}\n`);

    beforeAll(async () => {
      scratch = await Scratch.open("link-local");
      hosts = join(scratch.dir, "hosts");
      resolveTo(address);
      // Each question is asked by a connection of its own, so that the name is resolved each time.
      const server = createServer((request, response) => {
        response.shouldKeepAlive = false;
        const url = new URL(request.url!, "http://source.test");
        const to = url.searchParams.get("to");
        if (url.pathname === "/turns") resolveTo(METADATA);
        if (to) response.writeHead(302, { location: to }).end();
        else if (request.headers.range === "bytes=0-0")
          response.writeHead(206, { "content-range": "bytes 0-0/9", "content-length": 1 }).end("n");
        else response.writeHead(200, { "content-length": 9 }).end("not there");
      });
      await new Promise<void>((resolve) => server.listen(0, address, resolve));
      scratch.defer(() => {
        server.close();
        server.closeAllConnections();
      });
      ({ port } = server.address() as AddressInfo);
      source = `http://${address}:${port}`;
      supernode = await startSupernode(scratch, { cdnPattern: "local", prefix: withHosts(hosts) });
    });
    afterAll(() => scratch?.close());

    async function register(url: string): Promise<{ code: number; message?: string }> {
      const answer = await fetch(`http://${supernode.node}/peer/registry`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          ...{ rawUrl: url, taskUrl: url, cid: "127.0.0.9-1-1795513300.123", ip: "127.0.0.9" },
          ...{ port: 15001, path: "/peer/file/x", superNodeIp: supernode.address },
        }),
      });
      return (await answer.json()) as { code: number; message?: string };
    }

    it.each([
      METADATA,
      `${METADATA}.`,
      "2852039166",
      "0xa9fea9fe",
      "0251.0376.0251.0376",
      "169.254.43518",
      "[::ffff:169.254.169.254]",
      "[::ffff:a9fe:a9fe]",
      "[::ffff:0:a9fe:a9fe]",
      "[::169.254.169.254]",
      "[64:ff9b::a9fe:a9fe]",
      "[2002:a9fe:a9fe::1]",
      "[fe80::1]",
      "[fd00:ec2::254]",
    ])("asks nobody at %s, of itself or by a redirect", async (host) => {
      const there = `http://${host}/latest/meta-data/`;
      for (const url of [there, `${source}/away?to=${encodeURIComponent(there)}`]) {
        expect(await register(url)).toMatchObject({
          code: 500,
          message: expect.stringMatching(REFUSED),
        });
      }
    });

    it("looks at what a name has become, for each question anew", async () => {
      const named = `http://${NAME}:${port}`;
      resolveTo(address);
      expect(await register(`${named}/first`)).toMatchObject({ code: 200 });
      resolveTo(METADATA);
      for (const url of [`${named}/second`, `${source}/away?to=${named}/third`])
        expect(await register(url)).toMatchObject({
          code: 500,
          message: expect.stringMatching(REFUSED),
        });
      // It is good when the supernode asks who may have the file, and another one when it fetches it.
      resolveTo(address);
      await register(`${named}/turns`);
      await until("the copy is refused", async () => {
        const log = await readFile(join(supernode.home, "logs", "app.log"), "utf8");
        const line = log.split("\n").find((text) => text.includes(`no copy of ${named}/turns`));
        return line !== undefined && REFUSED.test(line);
      });
    });
  },
);
