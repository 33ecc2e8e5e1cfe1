import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { HttpClient } from "../../runtime/http_client.ts";
import { SupernodeClient } from "./supernode_client.ts";

it.each([
  ["its host refuses the connection", true],
  ["it hangs up", false],
])("tells one that is gone from one that may be busy: %s", async (_how, refused) => {
  const server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  if (refused) server.close();
  const http = new HttpClient();
  onTestFinished(() => {
    http.close();
    server.close();
  });
  const client = new SupernodeClient({ host: "127.0.0.1", port, weight: 1 }, http);
  const asked = client.heartbeat({ version: 1, tasks: [] });
  await expect(asked).rejects.toMatchObject({ name: "SupernodeLostError", refused });
});
