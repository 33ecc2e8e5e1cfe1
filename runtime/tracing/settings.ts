import * as z from "zod";
import { ConfigError } from "../config_error.ts";
import { configSection } from "../config_file.ts";
import { documented } from "../key_notes.ts";

const OURS = { ours: true };

const collectorUrl = z.string("expected text").check((context) => {
  if (/^https?:\/\/[^/\s]+/i.test(context.value) && URL.canParse(context.value)) return;
  const message = "expected an http or https URL, such as http://collector.example:4318";
  context.issues.push({ code: "custom", input: context.value, message });
});

const RATIO = "expected a number from 0 to 1";

/** The `tracing:` block, the same in the configuration of every program. */
export const tracingSchema = configSection({
  endpoint: documented(
    collectorUrl,
    "the collector that spans are sent to by OTLP over HTTP, as JSON; `/v1/traces` is added unless it ends so",
    { ...OURS, type: "URL", default: "must be given" },
  ),
  sampleRatio: documented(
    z.number(RATIO).min(0, RATIO).max(1, RATIO),
    "the share of pulls that are followed; a pull that comes with a decision of its own keeps it",
    OURS,
  ).default(1),
  headers: documented(
    z.record(z.string(), z.string("expected text")),
    "headers for the collector, such as `Authorization`; their values are shown nowhere",
    { ...OURS, type: "header: value" },
  ).default({}),
});
export type TracingSettings = z.output<typeof tracingSchema>;

/**
 * What of a configuration holds after the standard variables, which go before it: `undefined` where
 * nothing is to be traced. Headers, and the sampler that `OTEL_TRACES_SAMPLER` names, are read by the library.
 *
 * @throws {ConfigError} where a variable names no URL
 */
export function tracingInEffect(
  settings: TracingSettings | null | undefined,
  env: NodeJS.ProcessEnv,
): TracingSettings | undefined {
  if (/^true$/i.test(env.OTEL_SDK_DISABLED ?? "") || /^none$/i.test(env.OTEL_TRACES_EXPORTER ?? ""))
    return undefined;
  const names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"] as const;
  const name = names.find((one) => env[one]);
  const named = name && env[name];
  if (named !== undefined && !collectorUrl.safeParse(named).success)
    throw new ConfigError(
      `environment variable ${name}: expected an http or https URL, such as http://collector.example:4318`,
    );
  const endpoint = named ?? settings?.endpoint;
  if (endpoint === undefined) return undefined;
  const isWhole = name === "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
  return {
    endpoint: isWhole ? endpoint : tracesUrl(endpoint),
    sampleRatio: settings?.sampleRatio ?? 1,
    headers: settings?.headers ?? {},
  };
}

/** Where a collector takes traces: OTLP over HTTP has one path for each kind of signal. */
function tracesUrl(endpoint: string): string {
  const url = new URL(endpoint);
  if (url.pathname.endsWith("/v1/traces")) return endpoint;
  url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/traces`;
  return url.href;
}

/** The settings as a program shows its configuration: without what only the collector may know. */
export function shownTracing<Settings extends TracingSettings | null>(settings: Settings) {
  if (!settings) return settings;
  const headers = Object.keys(settings.headers).map((name) => [name, "(not shown)"]);
  return { ...settings, headers: Object.fromEntries(headers) as Record<string, string> };
}
