import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, it } from "vitest";
import { within } from "./within.ts";

it("takes an answer that came while the process was busy, and gives up one that did not", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const asker = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [answerer] = (await once(server, "connection")) as [Socket];
  const answer = within(20, "too late", once(asker, "data"));
  answerer.write("here");
  const until = performance.now() + 60;
  while (performance.now() < until);
  expect(String(await answer)).toBe("here");
  await expect(within(20, "too late", once(asker, "data"))).rejects.toThrow("too late");
  asker.destroy();
  server.close();
});

it("takes the answer to a question that a busy process came to send late", async () => {
  const server = createServer((socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const asker = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await once(asker, "connect");
  const answer = within(400, "too late", once(asker, "data"));
  setImmediate(() => asker.write("here"));
  const until = performance.now() + 600;
  while (performance.now() < until);
  expect(String(await answer)).toBe("here");
  asker.destroy();
  server.close();
});
