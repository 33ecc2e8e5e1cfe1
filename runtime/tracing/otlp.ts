import { hostname } from "node:os";
import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { type ExportResult, ExportResultCode, parseTraceParent } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type ReadableSpan,
  type SpanExporter,
  TraceIdRatioBasedSampler,
} from "@opentelemetry/sdk-trace-base";
import type { Logger } from "../logger.ts";
import { redactUrl } from "../redact_url.ts";
import { VERSION } from "../version.ts";
import type { TracingSettings } from "./settings.ts";
import type { Span, SpanMaker, SpanOptions } from "./tracing.ts";

const KINDS = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  internal: SpanKind.INTERNAL,
} as const;

/** The one file that knows the OpenTelemetry library; it is loaded only where a collector is configured. */
export class OtlpSpanMaker implements SpanMaker {
  readonly #provider: BasicTracerProvider;
  readonly #tracer;

  constructor(service: string, settings: TracingSettings, log: Logger) {
    const { endpoint, headers, sampleRatio } = settings;
    const exporter = new OTLPTraceExporter({ url: endpoint, headers });
    // Its limits are the standard ones (`OTEL_BSP_…`): 2048 spans wait at most, the rest is dropped.
    const batches = new BatchSpanProcessor(new ToldExporter(exporter, endpoint, log));
    const root = new TraceIdRatioBasedSampler(sampleRatio);
    this.#provider = new BasicTracerProvider({
      resource: defaultResource()
        .merge(
          resourceFromAttributes({
            "service.name": service,
            "service.namespace": "dragonfly",
            "service.version": VERSION,
            "host.name": hostname(),
            "service.instance.id": `${hostname()}:${process.pid}`,
          }),
        )
        // What the operator says in OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES goes before it.
        .merge(detectResources({ detectors: [envDetector] })),
      // The library reads OTEL_TRACES_SAMPLER by itself where none is given.
      ...(process.env.OTEL_TRACES_SAMPLER ? {} : { sampler: new ParentBasedSampler({ root }) }),
      spanProcessors: [batches],
    });
    this.#tracer = this.#provider.getTracer("dragonfly", VERSION);
  }

  start(name: string, { kind = "internal", parent, attributes }: SpanOptions): Span {
    const options = { kind: KINDS[kind], attributes: { ...attributes } };
    const span = this.#tracer.startSpan(name, options, contextOf(parent));
    const { traceId, spanId, traceFlags } = span.spanContext();
    const flags = traceFlags.toString(16).padStart(2, "0");
    let ended = false;
    return {
      traceparent: `00-${traceId}-${spanId}-${flags}`,
      set(more) {
        for (const [key, value] of Object.entries(more)) {
          if (value !== undefined) span.setAttribute(key, value);
        }
      },
      end(error) {
        if (ended) return;
        ended = true;
        if (error !== undefined) {
          const message = error instanceof Error ? error.message : String(error);
          span.setStatus({ code: SpanStatusCode.ERROR, message });
        }
        span.end();
      },
    };
  }

  async close(): Promise<void> {
    await this.#provider.shutdown();
  }
}

function contextOf(parent: Span | string | undefined): Context {
  const header = typeof parent === "object" ? parent.traceparent : parent;
  const context = header === undefined ? null : parseTraceParent(header);
  if (!context) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, { ...context, isRemote: typeof parent === "string" });
}

/** Says once that a collector does not take spans, and once that it does again. */
class ToldExporter implements SpanExporter {
  readonly #exporter: SpanExporter;
  readonly #collector: string;
  readonly #log: Logger;
  #fails = false;

  constructor(exporter: SpanExporter, endpoint: string, log: Logger) {
    this.#exporter = exporter;
    this.#collector = redactUrl(endpoint);
    this.#log = log;
  }

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.#exporter.export(spans, (result) => {
      this.#tell(result);
      done(result);
    });
  }

  async shutdown(): Promise<void> {
    await this.#exporter.shutdown();
  }

  async forceFlush(): Promise<void> {
    await this.#exporter.forceFlush?.();
  }

  #tell({ code, error }: ExportResult): void {
    const fails = code !== ExportResultCode.SUCCESS;
    if (fails === this.#fails) return;
    this.#fails = fails;
    const collector = this.#collector;
    const reason =
      error?.message || (error as NodeJS.ErrnoException | undefined)?.code || "no answer";
    if (fails)
      this.#log.warn("tracing: {collector} does not take spans, pulls go on without: {reason}", {
        collector,
        reason,
      });
    else this.#log.info("tracing: {collector} takes spans again", { collector });
  }
}
