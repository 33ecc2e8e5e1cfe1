import { describe, expect, it } from "vitest";
import { registerDataSchema, registerRequestSchema } from "../v1/register.ts";
import { heartbeatRequestSchema, MAX_STARVED } from "./messages.ts";

const V1 = { rawUrl: "http://registry.test/blob", cid: "c", ip: "10.0.0.1" };

describe("registration", () => {
  it("of a v1 client has no swarm", () => {
    expect(registerRequestSchema.parse(V1).swarm).toBeUndefined();
  });

  it("of a node of ours says what it needs", () => {
    const { swarm } = registerRequestSchema.parse({ ...V1, swarm: { version: 1, zone: "row 7" } });
    expect(swarm).toEqual({ version: 1, zone: "row 7", held: 0 });
  });

  it.each([
    ["nonsense", 7],
    ["a zone that is too long", { version: 1, zone: "z".repeat(1000) }],
    ["no version", {}],
  ])("is that of a v1 client where its swarm is %s", (_what, swarm) => {
    expect(registerRequestSchema.parse({ ...V1, swarm }).swarm).toBeUndefined();
  });

  it("answered by a v1 supernode has no swarm", () => {
    const data = { taskId: "t", fileLength: 10, pieceSize: 4194304, cdnSource: "source" };
    expect(registerDataSchema.parse(data).swarm).toBeUndefined();
  });
});

describe("heartbeat", () => {
  const task = { taskId: "t", cid: "c", held: 3, neighbours: 12 };

  it("needs little for a task at which there is nothing special", () => {
    const { tasks } = heartbeatRequestSchema.parse({ version: 1, tasks: [task] });
    expect(tasks[0]).toMatchObject({ leases: [], starved: [], dropped: [], leaving: false });
  });

  it("names no more starved blocks than the supernode looks at", () => {
    const starved = Array.from({ length: MAX_STARVED + 1 }, (_, block) => block);
    const request = { version: 1, tasks: [{ ...task, starved }] };
    expect(heartbeatRequestSchema.safeParse(request).success).toBe(false);
  });
});
