import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { startSupernode } from "../../supernode/start.ts";
import { ScriptedSupernode } from "../command_lines/scripted_supernode.ts";
import { freePort, freshAddress } from "../support/addresses.ts";
import { ourProgram } from "../support/our_programs.ts";
import { accepts, RunningProgram } from "../support/process.ts";
import { Scratch } from "../support/scratch.ts";
import { ask, userExchanges } from "./dfdaemon_answers.ts";
import { diff } from "./diff.ts";
import { DFDAEMON_DIFFERENCES } from "./differences.ts";
import { Ledger } from "./ledger.ts";
import { Origin, type SourceRequest } from "./origin.ts";
import { recordedForm, sentForm } from "./request_form.ts";
import { readTranscript, transcriptText } from "./transcript.ts";

const ledger = new Ledger(DFDAEMON_DIFFERENCES);
let scratch: Scratch;
let origin: Origin;
beforeAll(async () => {
  scratch = await Scratch.open("conformance-dfdaemon");
  origin = await Origin.start();
  scratch.defer(() => origin.close());
});
afterAll(() => scratch?.close());

type RegistryRequest = Pick<SourceRequest, "path" | "headers">;

/** The address of the node that was recorded. */
const RECORDED_IP = "127.0.0.5";

/** A node as the recorded one: dfdaemon in front of the registry, with the supernode at `node`. */
async function startDfdaemon(node: string) {
  const address = freshAddress();
  const port = await freePort(address);
  const peerPort = await freePort(RECORDED_IP);
  const home = await scratch.directory(`dfdaemon-${address}`);
  const config = join(home, "dfdaemon.yml");
  await writeFile(
    config,
    stringify({
      hostIp: address,
      port,
      registry_mirror: { remote: "http://127.0.0.1:18090" },
      proxies: [{ regx: "blobs/sha256.*" }],
      supernodes: [node],
      ratelimit: "1G",
      workHome: home,
      dfget_flags: ["--ip", RECORDED_IP, "--port", String(peerPort)],
      // Docker Hub, which one request names, must not be asked by a test.
      hostAliases: { "127.0.0.1": origin.address, "registry-1.docker.io": origin.address },
    }),
  );
  const command = [...ourProgram("dfdaemon"), "--config", config];
  const process = RunningProgram.start(scratch, command);
  await process.until("it listens", () => accepts(address, port));
  return { address, port };
}

describe("our dfdaemon answers its users as v1's does", () => {
  let dfdaemon: { address: string; port: number };
  beforeAll(async () => {
    const supernode = await startSupernode({
      cdnPattern: "local",
      homeDir: await scratch.directory("supernode"),
      listenIp: origin.address,
      listenPort: 28002,
      downloadPort: 28001,
      advertiseIp: "127.0.0.1",
      maxBandwidth: 0,
      hostAliases: { "127.0.0.1": origin.address },
    });
    scratch.defer(() => supernode.close(0));
    dfdaemon = await startDfdaemon("127.0.0.1:28002");
  });

  it.each(userExchanges())("curl $command", async ({ command, recorded }) => {
    ledger.enter(`curl ${command}`, diff(recorded, await ask(command, dfdaemon)));
    ledger.expectNothingElse();
  });

  it("and asks the registry for the same, in the same user's name", () => {
    const asked = (requests: readonly RegistryRequest[]) => {
      const byPath = new Map<string, Set<string>>();
      for (const { path, headers } of requests) {
        const { authorization = "", accept = "", "user-agent": agent = "" } = headers;
        const inWhoseName = byPath.get(path) ?? new Set();
        byPath.set(path, inWhoseName.add([authorization, accept, agent].join(" ")));
      }
      return byPath;
    };
    const { exchanges } = JSON.parse(transcriptText("dfdaemon-origin.json")) as {
      exchanges: { url: string; headers: RegistryRequest["headers"] }[];
    };
    const recorded = exchanges
      .map(({ url, headers }) => ({ path: url, headers }))
      // Of another registry, which ours asks: see differences.ts.
      .filter(({ path }) => !path.includes("ns=docker.io"));
    const ours = origin.requests.filter(({ path }) => path.startsWith("/v2/"));
    expect(asked(ours)).toEqual(asked(recorded));
    // v1 tells the registry what is the node's own affair.
    const told = ours.flatMap(({ headers }) => Object.keys(headers));
    expect(told.filter((name) => /^(x-forwarded-for|proxy-connection)$/.test(name))).toEqual([]);
  });

  it("by p2p, and with the user's own credentials", async () => {
    const peers = await fetch(`http://${origin.address}:28002/api/v1/peers`);
    expect(await peers.json()).toMatchObject([{ IP: RECORDED_IP }]);
    const [first] = origin.requests.filter(({ path }) => path.startsWith("/v2/x/blobs/"));
    expect(first!.headers.authorization).toBe("Bearer tok");
  });
});

it("our dfdaemon registers as the dfget of v1's does", async () => {
  const supernode = await ScriptedSupernode.start(scratch);
  const dfdaemon = await startDfdaemon(supernode.node);
  const [{ command, recorded }] = userExchanges() as [ReturnType<typeof userExchanges>[0]];
  const answer = await ask(command, dfdaemon);
  expect(answer.body).toEqual(recorded.body);
  const sent = {
    method: "POST",
    path: "/peer/registry",
    headers: {},
    body: supernode.registrations[0],
  };
  const form = recordedForm(readTranscript("dfdaemon"), sent)!;
  ledger.enter("dfdaemon registration", diff(form.body, sentForm(sent).body));
  ledger.expectNothingElse();
});

it("meets every difference on the list", () => {
  expect(ledger.unmet()).toEqual([]);
});
