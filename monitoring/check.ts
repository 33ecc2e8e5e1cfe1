import { HttpClient } from "../runtime/http_client.ts";
import { openLinks } from "../runtime/links/links.ts";
import type { TlsSettings } from "../runtime/links/settings.ts";
import { getLogger } from "../runtime/logger.ts";
import type { TlsTrust } from "../runtime/tls_trust.ts";
import { parseSamples, type Sample, type Selector, sumOf } from "./metric_samples.ts";
import { type Figure, type Finding, judge, type Thresholds } from "./report.ts";

const DAY_SECONDS = 24 * 60 * 60;
/** Bytes of `/metrics` that are read at most: a fleet's peers are all in a supernode's. */
const METRICS_LIMIT = 64 * 1024 * 1024;

/** What is known of a program that can be checked. */
export interface CheckedProgram {
  name: "supernode" | "dfdaemon";
  port: number;
  /** What it means that the program takes no work: without a peer dfdaemon still serves every pull. */
  notReady: "WARNING" | "CRITICAL";
  /** Figures that are always shown: label, metric, unit. */
  figures: readonly [label: string, metric: Selector, unit: Figure["unit"]][];
}

export interface CheckOptions {
  program: CheckedProgram;
  /** `http://host:port`, or `https://…`. */
  origin: string;
  tls: TlsTrust;
  /** What to show to a program that asks for a certificate. */
  mutualTls?: TlsSettings | undefined;
  /** For all requests together. */
  timeoutMs: number;
  /** Of the time in seconds that `/readyz` takes. */
  time: Thresholds;
  /** Of the days until the first of the program's certificates expires. */
  certificate: Thresholds;
  /** Further metrics to look at. */
  metrics: readonly (Thresholds & { text: string; selector: Selector })[];
}

/** What was found; a program that does not answer has no figures. */
export interface CheckResult {
  findings: Finding[];
  figures: Figure[];
}

/**
 * Asks a program whether it lives, whether it may be sent work, and for its metrics.
 *
 * @param now ms since the epoch
 * @throws {ConfigError} for a certificate or key that cannot be used
 */
export async function check(options: CheckOptions, now: () => number): Promise<CheckResult> {
  const { mutualTls, timeoutMs } = options;
  const links = await openLinks({ tls: mutualTls }, getLogger("check"));
  const client = new HttpClient({ connectTimeoutMs: timeoutMs, links });
  const signal = AbortSignal.timeout(options.timeoutMs);
  const { program, origin, tls } = options;
  const ask = async (path: string) => {
    try {
      const own = mutualTls !== undefined;
      return await client.text(origin + path, { tls, signal, own }, METRICS_LIMIT);
    } catch (error) {
      if (signal.aborted) {
        throw new Error(`${origin}${path}: no answer within ${timeoutMs / 1000} s`);
      }
      throw error;
    }
  };
  try {
    const health = await ask("/healthz");
    if (health.status !== 200) return notOurs(`/healthz answers ${health.status}`, options);
    const startMs = performance.now();
    const ready = await ask("/readyz");
    const seconds = (performance.now() - startMs) / 1000;
    const metrics = await ask("/metrics");
    const samples = parseSamples(metrics.text);
    const build = { name: `dragonfly_${program.name}_build_info`, labels: new Map() };
    if (metrics.status !== 200 || sumOf(samples, build) === undefined) {
      return notOurs(`/metrics is not that of a ${program.name}`, options);
    }
    return examine(options, { ready, seconds, samples, nowMs: now() });
  } catch (error) {
    return { findings: [{ state: "CRITICAL", text: (error as Error).message }], figures: [] };
  } finally {
    client.close();
    links?.close();
  }
}

interface Answers {
  ready: { status: number; text: string };
  seconds: number;
  samples: readonly Sample[];
  nowMs: number;
}

function examine(options: CheckOptions, answers: Answers): CheckResult {
  const { program } = options;
  const { ready, samples } = answers;
  const findings: Finding[] = [];
  // What is wrong though work may be sent there stands below the first line.
  const [, ...remarks] = ready.text.trim().split("\n");
  if (ready.status === 200 && remarks.length > 0)
    findings.push({ state: "WARNING", text: `ready, but ${remarks.join("; ")}` });
  else if (ready.status === 200) findings.push({ state: "OK", text: "ready" });
  else findings.push({ state: program.notReady, text: `not ready: ${ready.text}` });

  const time: Figure = { label: "time", value: answers.seconds, unit: "s", ...options.time };
  findings.push(judge(time, (value) => `answered in ${value.toFixed(3)} s`));
  const figures = [time];

  const expiries = samples.filter(
    ({ name }) => name === `dragonfly_${program.name}_certificate_expiry_timestamp_seconds`,
  );
  if (expiries.length > 0) {
    const first = expiries.reduce((a, b) => (b.value < a.value ? b : a));
    const value = (first.value - answers.nowMs / 1000) / DAY_SECONDS;
    const days: Figure = { label: "certificate_days", value, unit: "", ...options.certificate };
    const name = first.labels.get("certificate") ?? "certificate";
    findings.push(
      judge(days, () =>
        value < 0
          ? `${name} expired ${(-value).toFixed(1)} days ago`
          : `${name} is good for ${value.toFixed(1)} days`,
      ),
    );
    figures.push(days);
  }

  for (const [label, selector, unit] of program.figures) {
    const value = sumOf(samples, selector);
    if (value !== undefined) figures.push({ label, value, unit });
  }
  for (const { text, selector, warning, critical } of options.metrics) {
    const value = sumOf(samples, selector);
    if (value === undefined) {
      findings.push({ state: "UNKNOWN", text: `${text}: no such metric` });
      continue;
    }
    const figure: Figure = { label: text, value, unit: "", warning, critical };
    findings.push(judge(figure, () => `${text} is ${value}`));
    figures.push(figure);
  }
  return { findings, figures };
}

function notOurs(what: string, { origin, program }: CheckOptions): CheckResult {
  const text = `${origin}: ${what}: is another program on this port, or one that is not ${program.name}?`;
  return { findings: [{ state: "UNKNOWN", text }], figures: [] };
}
