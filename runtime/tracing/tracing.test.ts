import { expect, it } from "vitest";
import { inSpan, startSpan, traceHeaders } from "./tracing.ts";

const CLIENTS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

it("hands the trace of a client on while it is off here, through all that lies between", async () => {
  const sent = await inSpan("take in client", { parent: CLIENTS }, async (span) =>
    traceHeaders(startSpan("ask source", { kind: "client", parent: span })),
  );
  expect(sent).toEqual({ traceparent: CLIENTS });
});

it.each([
  undefined,
  "",
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
  "00-0AF7-b7ad6b7169203331-01",
  `${CLIENTS}, ${CLIENTS}`,
  `${CLIENTS}\r\nx-secret: 1`,
])("hands on nothing where the client sends %o", (parent) => {
  expect(traceHeaders(startSpan("pull blob", { parent }))).toEqual({});
});
