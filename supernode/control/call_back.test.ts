import { type AddressInfo, createServer } from "node:net";
import { afterEach, expect, it } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import { CallBack } from "./call_back.ts";

const http = new HttpClient();
const server = createServer((socket) => socket.on("error", () => {}));
afterEach(() => {
  http.close();
  server.close();
});

it("calls no more than 32 back at once, and on no port but a peer's", async () => {
  const callBack = new CallBack(http);
  // It listens, and never answers.
  let port = 0;
  for (let one = 15_100; port === 0; one++)
    port = await new Promise<number>((resolve) => {
      server.once("error", () => resolve(0));
      server.listen(one, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
    });
  const asked = Array.from({ length: 33 }, () => callBack.reach("127.0.0.1", port));
  expect(await asked[32]).toBeUndefined();
  for (const other of [22, 14_999, 65_001])
    await expect(callBack.reach("127.0.0.1", other)).rejects.toThrow(RangeError);
  const answers = await Promise.all(asked.slice(0, 32));
  expect(answers.filter((answer) => answer?.reachable === false)).toHaveLength(32);
  // Those are over: there is room again.
  server.close();
  expect(await callBack.reach("127.0.0.1", port)).toMatchObject({ reachable: false });
});
