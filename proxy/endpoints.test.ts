import { expect, it } from "vitest";
import { createEndpoints } from "./endpoints.ts";
import { createMetrics } from "./metrics.ts";

it("shows arguments and environment without what may be secret", async () => {
  const app = createEndpoints({
    metrics: createMetrics(),
    notReady: async () => undefined,
    peer: undefined,
    args: ["--registry", "https://user:secret@host/?token=secret"],
    env: { HOME: "/root", PASSWORD: "secret" },
  });
  expect(await (await app.request("/args")).text()).toBe("--registry https://host/?token=…\n");
  expect(await (await app.request("/env")).text()).toBe("HOME=/root\nPASSWORD=(hidden)\n");
});
