import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { Relay } from "./relay.ts";

const CONTENT = randomBytes(30_000_000);
const DIGEST = createHash("sha256").update(CONTENT).digest("hex");

/** A port whose connections are handed to `serve`. */
async function listen(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer(serve).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** Relays what a source sends to who connects; resolves with that one's socket, and the one from the source. */
async function relayed(source: (socket: Socket) => void): Promise<[client: Socket, from: Socket]> {
  const from = await listen(source);
  const upstream = withResolvers<Socket>();
  const port = await listen((to) => {
    const relay = new Relay(to, () => socket.resume());
    const socket = connect({ port: from, host: "127.0.0.1", onread: relay.onread });
    socket.once("end", () => to.end());
    socket.once("close", () => relay.close());
    upstream.resolve(socket);
  });
  const client = connect({ port, host: "127.0.0.1" });
  return [client, await upstream.promise];
}

function withResolvers<Value>() {
  let resolve!: (value: Value) => void;
  const promise = new Promise<Value>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

it("hands on every byte, and the end", async () => {
  const [client] = await relayed((socket) => socket.end(CONTENT));
  const hash = createHash("sha256");
  for await (const chunk of client) hash.update(chunk as Buffer);
  expect(hash.digest("hex")).toBe(DIGEST);
});

it("reads no further ahead than the other side takes", async () => {
  const [client, from] = await relayed((socket) => socket.end(CONTENT));
  client.pause();
  // What the system holds on its way is not ours to bound: it is full when no more is read.
  let before = -1;
  while (from.bytesRead !== before) {
    before = from.bytesRead;
    await sleep(300);
  }
  expect(from.bytesRead).toBeLessThan(CONTENT.byteLength);
  const hash = createHash("sha256");
  for await (const chunk of client) hash.update(chunk as Buffer);
  expect(hash.digest("hex")).toBe(DIGEST);
});
