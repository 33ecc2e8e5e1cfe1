import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { freshAddress } from "../support/addresses.ts";
import type { Scratch } from "../support/scratch.ts";

/** The body of a registration, as it came. */
export type Registration = Record<string, unknown>;

/** What a supernode answers to one request: a body, by default with status 200. */
export interface Answer {
  status?: number;
  body: unknown;
}

/** A supernode that writes down who registers, and answers as a test tells it. */
export class ScriptedSupernode {
  /** `address:port`, as `--node` takes it. */
  readonly node: string;
  readonly registrations: Registration[] = [];

  private constructor(node: string) {
    this.node = node;
  }

  /** @param answer given the path and query, and the body; default: no registration is taken, as in v1 for a bad source */
  static async start(
    scratch: Scratch,
    answer: (target: URL, body: string) => Answer = () => ({
      status: 500,
      body: { code: 500, message: "not today" },
    }),
  ): Promise<ScriptedSupernode> {
    const address = freshAddress();
    const handle = async (request: IncomingMessage, response: ServerResponse) => {
      const body = await text(request);
      const target = new URL(request.url ?? "/", `http://${address}`);
      if (target.pathname === "/peer/registry") supernode.registrations.push(JSON.parse(body));
      const answered = answer(target, body);
      response.writeHead(answered.status ?? 200, { "Content-Type": "application/json" });
      response.end(JSON.stringify(answered.body));
    };
    const server = createServer((request, response) => {
      handle(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    scratch.defer(() => {
      server.close();
      server.closeAllConnections();
    });
    const { port } = server.address() as AddressInfo;
    const supernode = new ScriptedSupernode(`${address}:${port}`);
    return supernode;
  }
}
