import { describe, expect, it } from "vitest";
import { shownTracing, tracingInEffect, tracingSchema } from "./settings.ts";

describe("where traces go", () => {
  const settings = tracingSchema.parse({
    endpoint: "http://collector.example:4318",
    headers: { Authorization: "secret" },
  });

  it("is nowhere unless somebody says so", () => {
    expect(tracingInEffect(undefined, {})).toBeUndefined();
    expect(tracingInEffect(null, { OTEL_TRACES_SAMPLER: "always_on" })).toBeUndefined();
  });

  it("is the configuration's collector, at the path for traces", () => {
    expect(tracingInEffect(settings, {})).toMatchObject({
      endpoint: "http://collector.example:4318/v1/traces",
      sampleRatio: 1,
    });
    const whole = { ...settings, endpoint: "http://collector.example/otlp/v1/traces" };
    expect(tracingInEffect(whole, {})?.endpoint).toBe(whole.endpoint);
  });

  it("is what the standard variables say, where they do", () => {
    const base = { OTEL_EXPORTER_OTLP_ENDPOINT: "https://other.example/otlp/" };
    expect(tracingInEffect(settings, base)?.endpoint).toBe("https://other.example/otlp/v1/traces");
    const whole = { ...base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://other.example/mine" };
    expect(tracingInEffect(settings, whole)?.endpoint).toBe("https://other.example/mine");
    expect(tracingInEffect(settings, { OTEL_SDK_DISABLED: "true" })).toBeUndefined();
    expect(tracingInEffect(settings, { OTEL_TRACES_EXPORTER: "none" })).toBeUndefined();
    expect(() => tracingInEffect(null, { OTEL_EXPORTER_OTLP_ENDPOINT: "collector" })).toThrow(
      "environment variable OTEL_EXPORTER_OTLP_ENDPOINT: expected an http or https URL",
    );
  });

  it("refuses what is no share and no URL", () => {
    expect(tracingSchema.safeParse({ endpoint: "collector:4318" }).success).toBe(false);
    expect(tracingSchema.safeParse({ ...settings, sampleRatio: 2 }).success).toBe(false);
    expect(tracingSchema.safeParse({}).success).toBe(false);
  });

  it("is shown without what only the collector may know", () => {
    expect(JSON.stringify(shownTracing(settings))).not.toContain("secret");
    expect(shownTracing(settings)).toMatchObject({ headers: { Authorization: "(not shown)" } });
    expect(shownTracing(null)).toBeNull();
  });
});
