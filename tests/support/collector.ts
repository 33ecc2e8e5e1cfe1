import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import * as z from "zod";
import { freshAddress } from "./addresses.ts";
import type { Scratch } from "./scratch.ts";

const valueSchema = z.object({
  stringValue: z.string().optional(),
  intValue: z.coerce.number().optional(),
  doubleValue: z.number().optional(),
  boolValue: z.boolean().optional(),
});
const attributesSchema = z
  .array(z.object({ key: z.string(), value: valueSchema }))
  .default([])
  .transform((list) =>
    Object.fromEntries(
      list.map(({ key, value }) => [
        key,
        value.stringValue ?? value.intValue ?? value.doubleValue ?? value.boolValue,
      ]),
    ),
  );
const spanSchema = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().default(""),
  name: z.string(),
  /** 1 internal, 2 server, 3 client. */
  kind: z.number(),
  attributes: attributesSchema,
});
/** What a collector is sent: OTLP over HTTP, as JSON. */
const exportSchema = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: attributesSchema }),
      scopeSpans: z.array(z.object({ spans: z.array(spanSchema) })),
    }),
  ),
});

/** A span as it was sent, and of which program. */
export interface SentSpan extends z.output<typeof spanSchema> {
  service: string;
  instance: string;
}

/** A collector of traces that keeps all it is sent. */
export class Collector {
  readonly url: string;
  readonly spans: SentSpan[] = [];
  /** All bodies, for what must not be in them. */
  readonly bodies: string[] = [];
  readonly headers: IncomingHttpHeaders[] = [];

  private constructor(url: string) {
    this.url = url;
  }

  static async start(scratch: Scratch): Promise<Collector> {
    let collector: Collector;
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      collector.#take(request.url, request.headers, Buffer.concat(chunks).toString());
      response.setHeader("content-type", "application/json").end("{}");
    });
    const address = freshAddress();
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    scratch.defer(() => {
      server.close();
      server.closeAllConnections();
    });
    collector = new Collector(`http://${address}:${(server.address() as AddressInfo).port}`);
    return collector;
  }

  /** A span's parent, where it has been sent. */
  parent(span: SentSpan): SentSpan | undefined {
    return this.spans.find(
      ({ traceId, spanId }) => traceId === span.traceId && spanId === span.parentSpanId,
    );
  }

  #take(path: string | undefined, headers: IncomingHttpHeaders, body: string): void {
    this.headers.push(headers);
    this.bodies.push(body);
    if (path !== "/v1/traces") throw new Error(`the collector was asked for ${path}`);
    for (const { resource, scopeSpans } of exportSchema.parse(JSON.parse(body)).resourceSpans) {
      const service = String(resource.attributes["service.name"]);
      const instance = String(resource.attributes["service.instance.id"]);
      for (const { spans } of scopeSpans)
        this.spans.push(...spans.map((span) => ({ ...span, service, instance })));
    }
  }
}
