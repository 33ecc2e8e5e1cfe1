import type { IncomingHttpHeaders } from "node:http";
import type { Logger } from "../logger.ts";
import { type TracingSettings, tracingInEffect } from "./settings.ts";

export type SpanKind = "server" | "client" | "internal";
export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** One stretch of work in a trace. Secrets have no place in its attributes: URLs are redacted before. */
export interface Span {
  /** The W3C header by which another program joins the trace; absent where nothing is traced. */
  readonly traceparent: string | undefined;
  /** Adds attributes. */
  set(attributes: SpanAttributes): void;
  /** Ends it, once; `error` is what it failed by. */
  end(error?: unknown): void;
}

export interface SpanOptions {
  kind?: SpanKind;
  /** A span of this program, or the `traceparent` that another program has sent. */
  parent?: Span | string | undefined;
  attributes?: SpanAttributes;
}

/** What makes spans while tracing is on: see `otlp.ts`. */
export interface SpanMaker {
  start(name: string, options: SpanOptions): Span;
  /** Sends what is left. */
  close(): Promise<void>;
}

/** What there is while tracing is off and no trace has come in, and whatever is done to it does nothing. */
export const NO_SPAN: Span = { traceparent: undefined, set() {}, end() {} };

/** Milliseconds for the last spans, when a program ends: a collector that is not there must not hold it up. */
const FLUSH_MS = 1000;

let maker: SpanMaker | undefined;

/**
 * Turns tracing on where configuration or environment (`OTEL_EXPORTER_OTLP_ENDPOINT`) name a collector.
 * The library is loaded only then.
 *
 * @param service what this program is called in traces: `dfdaemon`
 * @param log told where the collector does not take spans
 * @throws {ConfigError} for a variable that is wrong
 */
export async function startTracing(
  service: string,
  settings: TracingSettings | null | undefined,
  log: Logger,
): Promise<void> {
  const effective = tracingInEffect(settings, process.env);
  if (!effective) return;
  const { OtlpSpanMaker } = await import("./otlp.ts");
  maker = new OtlpSpanMaker(service, effective, log);
}

/** A `traceparent` as it may be sent on (W3C Trace Context, 3.2). */
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Whether spans are made, and not only handed on. */
export function isTracing(): boolean {
  return maker !== undefined;
}

/**
 * Begins a span. While tracing is off here that is nothing, at no cost, but what comes after it belongs to the
 * `parent`: a trace goes on through a program that says nothing itself.
 */
export function startSpan(name: string, options: SpanOptions = {}): Span {
  return maker ? maker.start(name, options) : handedOn(options.parent);
}

function handedOn(parent: SpanOptions["parent"]): Span {
  const traceparent = typeof parent === "object" ? parent.traceparent : parent;
  if (traceparent === undefined || !TRACEPARENT.test(traceparent)) return NO_SPAN;
  return { ...NO_SPAN, traceparent };
}

/** Runs `work` within a span that ends with it. */
export async function inSpan<Result>(
  name: string,
  options: SpanOptions,
  work: (span: Span) => Promise<Result>,
): Promise<Result> {
  const span = startSpan(name, options);
  try {
    const result = await work(span);
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}

/** The header by which a request carries a span to another program; none where nothing is traced. */
export function traceHeaders(span: Span | undefined): { traceparent?: string } {
  return span?.traceparent === undefined ? {} : { traceparent: span.traceparent };
}

/** The header by which a request belongs to a trace. */
export function traceparentOf(headers: IncomingHttpHeaders): string | undefined {
  const { traceparent } = headers;
  return typeof traceparent === "string" ? traceparent : undefined;
}

/** Sends what is left, for a second at most, and turns tracing off. */
export async function closeTracing(): Promise<void> {
  const closing = maker;
  maker = undefined;
  if (!closing) return;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FLUSH_MS);
  });
  await Promise.race([closing.close().catch(() => {}), late]);
  clearTimeout(timer);
}
