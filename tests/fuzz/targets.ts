import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import tls from "node:tls";
import { unframe } from "../../protocol/piece_frame.ts";
import { V1Client } from "../../supernode/testing/v1_client.ts";
import { filesBelow } from "../support/files_below.ts";
import { type Conversation, converse, type SomeRequest } from "./conversation.ts";
import type { Dice } from "./dice.ts";
import type { Facts } from "./facts.ts";
import { fileRequest, peerRequest } from "./file_requests.ts";
import { ORIGIN_NAME } from "./origin.ts";
import { hijackedRequest, proxyRequest } from "./proxy_requests.ts";
import type { Part, Site } from "./site.ts";
import { supernodeRequest } from "./supernode_requests.ts";
import { TLS_BREAKAGES } from "./tls_records.ts";

/** A port that requests are sent to. */
export interface Target {
  name: string;
  part: Part;
  /** The next conversation, and the connection that it needs. */
  next(dice: Dice): { conversation: Conversation; open: () => Promise<Duplex> };
  /**
   * Has a valid request answered.
   *
   * @throws {Error} where the answer is not the right one
   */
  check(): Promise<void>;
}

/** Every port of a site that somebody listens on. */
export async function openTargets(site: Site): Promise<Target[]> {
  const { origin, supernode, plain, secure, dfget } = site;
  const facts: Facts = {
    plainOrigin: `http://${origin.address}:${origin.httpPort}`,
    secureOrigin: `${ORIGIN_NAME}:${origin.tlsPort}`,
    blobPath: origin.blobPath,
    task: { id: "", cid: "", pieceSize: 0 },
    copyPath: "",
    peerFile: "",
    deadPlace: "127.0.0.1:1",
  };

  const askSupernode = async () => {
    const api = `http://${supernode.address}:${supernode.port}`;
    const client = new V1Client({ api, url: `${facts.plainOrigin}/f/copy` });
    try {
      assert.deepEqual(Buffer.from(await client.download()), origin.file);
      const { taskId, pieceSize } = client.task!;
      facts.task = { id: taskId, cid: client.cid, pieceSize };
      facts.copyPath = client.seedPath;
      await client.serviceDown();
    } finally {
      await client.close();
    }
  };
  const pullBlob = async ({ address, port }: Part) => {
    const target = `${facts.plainOrigin}${origin.blobPath}`;
    const request = `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    const body = await answerTo(await tcp(address, port), request);
    assert.deepEqual(body, origin.blob);
  };
  const tlsTo = async (socket: Duplex) => {
    const secured = tls.connect({
      socket: socket as Socket,
      servername: ORIGIN_NAME,
      ca: site.authority.files.pair.cert,
    });
    await once(secured, "secureConnect");
    return secured;
  };
  const hijack = async (raw: boolean): Promise<Duplex> => {
    const socket = await tcp(plain.address, plain.port);
    socket.write(`CONNECT ${facts.secureOrigin} HTTP/1.1\r\nHost: x\r\n\r\n`);
    await once(socket, "data");
    return raw ? socket : tlsTo(socket);
  };
  const bareFile = async (part: { address: string; port: number }, name: string) => {
    const headers = "Range: bytes=5-1004\r\npieceNum: 0\r\npieceSize: 1048576\r\ncdnSource: source";
    // As a program of v1 announces it: from now on its name needs no pass.
    const announce = `GET /check/${name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
    await answerTo(await tcp(part.address, part.port), announce);
    const request = `GET /peer/file/${name} HTTP/1.1\r\nHost: x\r\n${headers}\r\nConnection: close\r\n\r\n`;
    const body = await answerTo(await tcp(part.address, part.port), request);
    assert.deepEqual(body, origin.blob.subarray(5, 1005));
  };

  /** A target that speaks plain HTTP. */
  const http = (
    name: string,
    part: Part,
    port: number,
    request: (dice: Dice, facts: Facts) => SomeRequest,
    check: () => Promise<void>,
  ): Target => ({
    name,
    part,
    next: (dice) => ({
      conversation: converse(dice, () => request(dice, facts)),
      open: () => tcp(part.address, port),
    }),
    check,
  });
  /** One within TLS, where TLS itself may be broken, too. */
  const secured = (
    name: string,
    part: Part,
    request: (dice: Dice, facts: Facts) => SomeRequest,
    open: (raw: boolean) => Promise<Duplex>,
    check: () => Promise<void>,
  ): Target => ({
    name,
    part,
    next: (dice) => {
      if (!dice.chance(0.25))
        return {
          conversation: converse(dice, () => request(dice, facts)),
          open: () => open(false),
        };
      const kind = dice.pick(Object.keys(TLS_BREAKAGES));
      const bytes = TLS_BREAKAGES[kind]!(dice);
      return { conversation: { bytes, requests: 1, ending: "end", kind }, open: () => open(true) };
    },
    check,
  });

  const targets = [
    http("supernode", supernode, supernode.port, supernodeRequest, askSupernode),
    http("supernode's files", supernode, supernode.filePort, fileRequest, async () => {
      await askSupernode();
      const request = `GET ${facts.copyPath} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      const framed = await answerTo(await tcp(supernode.address, supernode.filePort), request);
      assert.deepEqual(Buffer.from(unframe(framed, facts.task.pieceSize)), origin.file);
    }),
    http("dfdaemon", plain, plain.port, proxyRequest, () => pullBlob(plain)),
    secured(
      "dfdaemon by TLS",
      secure,
      proxyRequest,
      async (raw) => {
        const socket = await tcp(secure.address, secure.port);
        return raw ? socket : tlsTo(socket);
      },
      async () => {
        const socket = await tlsTo(await tcp(secure.address, secure.port));
        const request = `GET ${origin.blobPath} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
        assert.deepEqual(await answerTo(socket, request), origin.blob);
      },
    ),
    secured("TLS in CONNECT", plain, hijackedRequest, hijack, async () => {
      const request = `GET ${origin.blobPath} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
      assert.deepEqual(await answerTo(await hijack(false), request), origin.blob);
    }),
    http("dfdaemon's peer server", plain, plain.peerPort, peerRequest, async () => {
      await pullBlob(plain);
      const file = (await filesBelow(plain.home)).find((path) => path.endsWith(".service"))!;
      facts.peerFile = file
        .split("/")
        .at(-1)!
        .replace(/\.service$/, "");
      await bareFile({ address: plain.address, port: plain.peerPort }, facts.peerFile);
    }),
    http("dfget's peer server", dfget, dfget.port, peerRequest, async () => {
      facts.peerFile = dfget.file;
      await bareFile(dfget, dfget.file);
    }),
  ];
  return targets;
}

/** An open connection. */
async function tcp(address: string, port: number): Promise<Socket> {
  const socket = connect({ host: address, port });
  await once(socket, "connect");
  return socket;
}

function once(emitter: Duplex, event: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    emitter.once(event, (value) => {
      emitter.off("error", reject);
      resolve(value);
    });
    emitter.once("error", reject);
  });
}

/** The body of the answer to the last request on a connection. */
async function answerTo(socket: Duplex, request: string): Promise<Buffer> {
  socket.write(request);
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  const bytes = Buffer.concat(parts);
  const head = bytes.indexOf("\r\n\r\n");
  const status = bytes.subarray(0, 15).toString();
  assert.match(status, /^HTTP\/1\.1 20[06] /, bytes.subarray(0, 500).toString());
  return bytes.subarray(head + 4);
}
