import { expect, it } from "vitest";
import type { StatusView } from "../../protocol/control/messages.ts";
import { RefusedError } from "../supernode_api.ts";
import type { NodeUnderTest } from "./check.ts";
import { supernodes } from "./supernodes.ts";

const STATUS: StatusView = {
  ...{ version: "0.1.0", runtime: "node", uptimeMs: 1, cdnPattern: "local", draining: false },
  ...{ tasks: 0, peers: 0, clients: { waiting: 0, running: 0, success: 0, failed: 0 } },
  ...{ active: { clients: 0, seeds: 0, preheats: 0 }, cache: { files: 0, bytes: 0, freeBytes: 1 } },
};

it("a supernode that refuses us is there: the secret is what is wrong", async () => {
  const ping = () =>
    Promise.reject(new RefusedError("supernode s:8002: the request is not signed"));
  const supernode = { name: "s:8002", ping };
  const findings = await supernodes.run({ supernodes: [supernode] } as unknown as NodeUnderTest);
  expect(findings).toEqual([
    expect.objectContaining({
      ...{ state: "fail", says: "refuses us: the request is not signed" },
      todo: expect.stringContaining("secretFile"),
    }),
  ]);
});

it.each<[string, Partial<StatusView>, { state: string; says: string }]>([
  ["is well", {}, { state: "ok", says: "answers in 3 ms, version 0.1.0" }],
  ["is drained", { draining: true }, { state: "warn", says: "is draining: it takes no new work" }],
  [
    "shares nothing",
    { sharing: "alone", whyAlone: "the shared state does not answer (so)" },
    {
      state: "warn",
      says: "shares no tasks with the others: the shared state does not answer (so)",
    },
  ],
  [
    "cannot write its disk",
    { cache: { ...STATUS.cache, unusable: "the disk is read-only" } },
    { state: "warn", says: "makes no copies: the disk is read-only" },
  ],
])("a supernode that %s", async (_how, changes, found) => {
  const supernode = {
    name: "s:8002",
    ping: async () => 3,
    status: async () => ({ ...STATUS, ...changes }),
  };
  const findings = await supernodes.run({ supernodes: [supernode] } as unknown as NodeUnderTest);
  expect(findings).toEqual([expect.objectContaining({ name: "supernode s:8002", ...found })]);
});
