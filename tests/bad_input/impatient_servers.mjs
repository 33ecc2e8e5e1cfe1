// Loaded before a program under test (`--import` on Node, `--preload` on Deno): its servers wait for clients a part of the time only that
// they would, so that a test sees which of them wait for ever. All else keeps its pace.
import http from "node:http";
import https from "node:https";

const factor = Number(process.env.IMPATIENCE);
const WAITS = [
  "requestTimeout",
  "headersTimeout",
  "keepAliveTimeout",
  "handshakeTimeout",
  "connectionsCheckingInterval",
];

for (const module of [http, https]) {
  const { createServer } = module;
  module.createServer = (options, listener) => {
    const shorter = { ...options };
    for (const name of WAITS) if (shorter[name] > 0) shorter[name] /= factor;
    const server = createServer(shorter, listener);
    let timeout = 0;
    Object.defineProperty(server, "timeout", {
      get: () => timeout,
      set: (ms) => {
        timeout = ms / factor;
      },
    });
    return server;
  };
}
