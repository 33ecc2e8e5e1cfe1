import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startPeerServer } from "../../peer/serve/peer_server.ts";
import { Catalog } from "../../peer/store/catalog.ts";
import { SupernodeList } from "../../peer/supernode/supernode_list.ts";
import { HttpClient } from "../../runtime/http_client.ts";
import { startSupernode } from "../../supernode/start.ts";
import { freshAddress } from "../support/addresses.ts";
import { Scratch } from "../support/scratch.ts";
import { SERVER_DIFFERENCES } from "./differences.ts";
import { Ledger } from "./ledger.ts";
import { metricSamples } from "./metric_samples.ts";
import { Origin } from "./origin.ts";
import { RecordedClient, type Servers } from "./recorded_client.ts";
import { PLAYED_TO_OUR_SERVERS } from "./scenarios.ts";
import { type Pattern, readTranscript, transcriptText } from "./transcript.ts";

/** Their clients went on after what was recorded, and others met what they left. */
const TO_FINISH = new Set<string>(["big", "big-second"]);

/**
 * While `big-second` ran, the peer servers took back what had lain idle for 20 s. Those 7 calls were
 * not kept, but the supernode's metrics count them (with the one of `raw-api`).
 */
const WITHDRAWN_BY_THEN = ["cold-three", "second-three", "empty", "tiny", "p4m", "p4m5", "p4m1"];

const ledger = new Ledger(SERVER_DIFFERENCES);
let scratch: Scratch;
let origin: Origin;
beforeAll(async () => {
  scratch = await Scratch.open("conformance");
  origin = await Origin.start();
  scratch.defer(() => origin.close());
});
afterAll(() => scratch?.close());

/** Our supernode and peer server, where they answer as if they were at the recorded addresses. */
async function startServers(pattern: Pattern, name: string): Promise<Servers> {
  const address = freshAddress();
  const supernode = await startSupernode({
    cdnPattern: pattern,
    homeDir: await scratch.directory(name, "supernode"),
    listenIp: address,
    listenPort: 28002,
    downloadPort: 28001,
    advertiseIp: "127.0.0.1",
    maxBandwidth: 0,
    hostAliases: { "127.0.0.1": origin.address },
  });
  scratch.defer(() => supernode.close(0));
  const dataDir = join(await scratch.directory(name, "peer"), "data");
  await mkdir(dataDir);
  const http = new HttpClient();
  const peer = await startPeerServer({
    catalog: new Catalog(dataDir),
    http,
    supernodes: new SupernodeList([], http),
    ip: freshAddress(),
    port: 0,
    expireMs: 180_000,
    aliveMs: 0,
    limit: { totalLimit: 0 },
  });
  scratch.defer(() => peer.close());
  return {
    supernode: { address, port: 28002 },
    cdn: { address, port: 28001 },
    peerA: { address: peer.ip, port: peer.port, dataDir },
  };
}

describe.each<Pattern>(["local", "source"])(
  "our supernode and peer server answer a Go client as v1 does, CDN pattern %s",
  (pattern) => {
    let servers: Servers;
    let client: RecordedClient;
    beforeAll(async () => {
      servers = await startServers(pattern, pattern);
      client = new RecordedClient(servers, ledger);
    });

    it.each(PLAYED_TO_OUR_SERVERS)("%s", async (scenario) => {
      const transcript = readTranscript(`${pattern}-${scenario}`);
      await client.play(transcript);
      if (TO_FINISH.has(scenario)) await client.finish(transcript);
      if (scenario === "big-second") {
        // An empty file is no task in pattern `source`.
        for (const idle of WITHDRAWN_BY_THEN.map((name) => readTranscript(`${pattern}-${name}`)))
          if (idle.exchanges.length > 1) await client.withdraw(idle);
      }
    });
    it("every metric and set of labels that v1 had by then", async () => {
      const { address, port } = servers.supernode;
      const answer = await fetch(`http://${address}:${port}/metrics`);
      const ours = metricSamples(await answer.text());
      const recorded = metricSamples(transcriptText("supernode-metrics.txt"));
      expect([...recorded].filter((sample) => !ours.has(sample))).toEqual([]);
    });
  },
);

it("our supernode answers the Go dfdaemon's dfget as v1 does", async () => {
  const client = new RecordedClient(await startServers("local", "dfdaemon"), ledger);
  await client.play(readTranscript("dfdaemon"));
});

it("meets every difference on the list", () => {
  expect(ledger.unmet()).toEqual([]);
});
