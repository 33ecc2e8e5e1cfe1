import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import { Authority } from "../support/authority.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { Collector } from "../support/collector.ts";
import { dfgetHost, startDfget } from "../support/dfget.ts";
import { filesBelow, filesThatHold } from "../support/files_below.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { ACCOUNT, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { Source } from "../support/source.ts";
import type { CdnPattern } from "../support/supernode.ts";
import { TokenServer } from "../support/token_server.ts";

/** What dfget is given to show to a web server, and what a signed URL holds. */
const HEADER = "planted-header-52f1c0";
const QUERY = "planted-query-77ab19";
const REFUSED = "planted-refused-90cd3e";
/** Spans are sent soon. */
const SOON = { OTEL_BSP_SCHEDULE_DELAY: "200" };

describeWithPrograms(
  "secrets in all that a full run writes and answers",
  { programs: ["skopeo", "docker-registry"] },
  () => {
    const repository = "restricted/planted";
    let scratch: Scratch;
    let tokens: TokenServer;
    let registry: Registry;
    let authority: Authority;
    let source: Source;
    let image: Image;
    let client: HttpClient;

    beforeAll(async () => {
      scratch = await Scratch.open("planted-secrets");
      tokens = await TokenServer.start(scratch, ACCOUNT);
      registry = await Registry.start(scratch, { tokens });
      authority = await Authority.create(scratch, "nodes");
      source = await Source.start(scratch);
      image = await createImage(scratch, "planted", [MB, 9 * MB]);
      await registry.push(image, repository);
      client = new HttpClient();
      scratch.defer(() => client.close());
    });
    afterAll(() => scratch?.close());

    describe.each<CdnPattern>(["local", "source"])("CDN pattern %s", (cdnPattern) => {
      let cluster: Cluster;
      let collector: Collector;
      /** What the programs printed, and what they answered, by where. */
      const said = new Map<string, string>();

      beforeAll(async () => {
        collector = await Collector.start(scratch);
        const tracing = { endpoint: collector.url };
        cluster = await startCluster(scratch, {
          nodes: 2,
          cdnPattern,
          registry,
          authority,
          scheme: "https",
          dfgetFlags: ["--verbose"],
          env: { SSL_CERT_FILE: registry.authority.files.cert, ...SOON },
          nodeEnv: SOON,
          keys: async () => ({ tracing }),
        });
      });
      afterAll(() => cluster?.stop());

      const answer = async (url: string, init: Parameters<HttpClient["text"]>[1] = {}) => {
        const got = await client.text(url, { ...init, tls: { ca: [authority.files.pair.cert] } });
        said.set(`${init.method ?? "GET"} ${url}`, `${JSON.stringify(got.headers)}\n${got.text}`);
        return got;
      };

      async function preheat(
        headers: Record<string, string>,
      ): Promise<{ status: string; errorMsg?: string }> {
        const api = `http://${cluster.supernode.node}/preheats`;
        const created = await answer(api, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({
            type: "image",
            url: `https://${registry.host}/v2/${repository}/manifests/latest`,
            headers,
          }),
        });
        const { ID } = JSON.parse(created.text) as { ID: string };
        let last: { status: string; errorMsg?: string } = { status: "" };
        await until("the preheat has ended", async () => {
          last = JSON.parse((await answer(`${api}/${ID}`)).text) as typeof last;
          return last.status === "SUCCESS" || last.status === "FAILED";
        });
        await answer(api);
        return last;
      }

      it("are planted: pulls, downloads and preheats that go well, and some that do not", async () => {
        const { supernode, nodes } = cluster;
        await Promise.all(
          nodes.map(async (node, index) => {
            const into = `${scratch.dir}/${cdnPattern}-${index}`;
            const proxy = node.url;
            const trust = authority.directory;
            const login = true;
            const pull = startSkopeoPull(scratch, {
              registry,
              repository,
              into,
              proxy,
              trust,
              login,
            });
            await expectImage(pull, into, image);
          }),
        );

        const right = { authorization: `Bearer ${HEADER}` };
        const files = [
          source.add(`signed-${cdnPattern}?X-Signature=${QUERY}`, 5 * MB, right),
          source.add(`breaks-${cdnPattern}?X-Signature=${QUERY}`, 5 * MB, { ...right, deaths: 1 }),
          source.add(`refuses-${cdnPattern}?X-Signature=${QUERY}`, 5 * MB, { authorization: "-" }),
        ];
        const host = await dfgetHost(scratch);
        const nowhere = `http://${host.address}:9/gone?X-Signature=${QUERY}`;
        const codes: (number | null)[] = [];
        for (const [index, url] of [...files.map((file) => file.url), nowhere].entries()) {
          const args = [
            ...["-u", url, "-o", `${host.home}/file-${index}`, "--node", supernode.node],
            ...["--header", `Authorization: Bearer ${HEADER}`, "--verbose", "--console"],
          ];
          const env = { ...SOON, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url };
          const dfget = await startDfget(scratch, host, args, { env }).finished();
          codes.push(dfget.code);
          said.set(`dfget ${index}`, dfget.output);
        }
        expect(codes).toEqual([0, 0, 80, 80]);
        const logs = await filesThatHold([host.home], ["/refuses-"]);
        expect(logs, "the search finds logs").not.toEqual([]);
        expect(await filesThatHold([host.home], secrets())).toEqual([]);

        const token = tokens.issue(repository, ["pull"]);
        const heated = await preheat({ Authorization: `Bearer ${token}` });
        expect(heated, heated.errorMsg).toMatchObject({ status: "SUCCESS" });
        const wrong = Buffer.from(`${ACCOUNT.user}:${REFUSED}`).toString("base64");
        expect(await preheat({ Authorization: `Basic ${wrong}` })).toMatchObject({
          status: "FAILED",
        });
      });

      it("are in no answer, also not in those that complain", async () => {
        const { supernode, nodes } = cluster;
        const api = `http://${supernode.node}`;
        const peers = await answer(`${api}/api/v1/peers`);
        expect(peers.status).toBe(200);
        const peer = peers.text.match(/"ID":"([^"]+)"/)?.[1];
        for (const path of ["/metrics", `/api/v1/peers/${peer}`, "/version", "/healthz", "/readyz"])
          await answer(api + path);
        for (const path of ["status", "tasks", "peers"]) await answer(`${api}/control/${path}`);
        for (const task of await taskIds(supernode.home)) {
          await answer(`${api}/api/v1/tasks/${task}`);
          await answer(`${api}/control/tasks/${task}`);
        }
        for (const id of said.get(`GET ${api}/preheats`)!.match(/(?<="ID":")[^"]+/g)!)
          await answer(`${api}/control/preheats/${id}`);
        said.set("the console", await firstEvent(`${api}/console/events`));
        expect(said.get("the console")).toContain(`signed-${cdnPattern}`);
        for (const { url } of nodes) {
          for (const path of ["/metrics", "/args", "/env", "/debug/version", "/healthz", "/readyz"])
            expect((await answer(url + path)).status, path).not.toBe(500);
          await answer(`${url}/v2/${repository}/manifests/latest?token=${QUERY}`, {
            headers: { Authorization: `Bearer ${REFUSED}` },
          });
        }
        const complaints = [
          { rawUrl: `ftp://x:${REFUSED}@host/file?token=${QUERY}` },
          { rawUrl: `http://${source.url.slice(7)}/none?token=${QUERY}`, port: 1 },
          { rawUrl: `http://user:${REFUSED}@127.0.0.1:9/none?token=${QUERY}`, headers: 7 },
        ];
        for (const [index, body] of complaints.entries()) {
          const got = await client.text(`${api}/peer/registry`, {
            method: "POST",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify({
              cid: "x",
              ip: "127.0.0.9",
              headers: [`Authorization:${HEADER}`],
              ...body,
            }),
          });
          expect(got.status).toBeGreaterThanOrEqual(400);
          said.set(`complaint ${index}`, got.text);
        }
        await until("the spans have been sent", async () => {
          const names = collector.spans.map(({ service }) => service);
          return ["supernode", "dfdaemon", "dfget"].every((name) =>
            names.some((one) => one.includes(name)),
          );
        });
        said.set("traces", collector.bodies.join("\n"));
        const held = [...said].filter(([, text]) => secrets().some((one) => text.includes(one)));
        expect(held.map(([where]) => where)).toEqual([]);
        expect(said.size).toBeGreaterThan(20);
      });

      it("are in nothing that was printed, and in no file but the keys' own", async () => {
        const { supernode, nodes } = cluster;
        const programs = [supernode, ...nodes];
        for (const { process } of programs) {
          for (const secret of secrets()) expect(process.output).not.toContain(secret);
        }
        const homes = programs.map(({ home }) => home);
        expect(await filesThatHold(homes, [repository]), "the search finds logs").not.toEqual([]);
        expect(await filesThatHold(homes, secrets())).toEqual([]);
      });

      /** What a page of the console is shown at first. */
      async function firstEvent(url: string): Promise<string> {
        const { status, body } = await client.request(url);
        expect(status).toBe(200);
        let text = "";
        for await (const chunk of body as AsyncIterable<Buffer>) {
          text += chunk.toString();
          if (text.includes("\n\n")) break;
        }
        return text;
      }

      /** All that must stay with those to whom it belongs. */
      function secrets(): string[] {
        const { user, password } = ACCOUNT;
        const basics = [password, REFUSED].map((word) => `${user}:${word}`);
        // A line of each key: a whole one would be missed where it is broken differently.
        const keys = [authority, registry.authority].map(
          ({ files }) => files.pair.key.split("\n")[1]!,
        );
        return [
          ...[HEADER, QUERY, REFUSED, password],
          ...basics.map((basic) => Buffer.from(basic).toString("base64")),
          ...tokens.given,
          ...tokens.given.map((token) => token.split(".")[2]!),
          ...keys,
        ];
      }
    });
  },
);

/** What stands in the files below a directory whose names match. */
async function textOf(directory: string, names: RegExp): Promise<string> {
  const files = (await filesBelow(directory)).filter((path) => names.test(path));
  return (await Promise.all(files.map((path) => readFile(path, "utf8")))).join("\n");
}

/** Ids of tasks that a supernode's files tell of. */
async function taskIds(home: string): Promise<string[]> {
  const text = `${(await filesBelow(home)).join("\n")}\n${await textOf(home, /\.log$/)}`;
  return [...new Set(text.match(/\b[0-9a-f]{64}\b/g))];
}
