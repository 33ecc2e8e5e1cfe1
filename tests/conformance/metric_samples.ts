/** The metrics in a Prometheus text: `# TYPE` lines, and samples with their labels but without value. */
export function metricSamples(text: string): Set<string> {
  const samples = text.split("\n").flatMap((line) => {
    if (line.startsWith("# TYPE ")) return [line];
    const match = /^([a-z_]+)(?:\{(.*)\})? \S+$/.exec(line);
    if (!match) return [];
    const [, name, labels = ""] = match;
    const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [
      label,
      value,
    ]);
    // Which program it is and on what machine is not v1's: that it says so is.
    const shown = pairs.map(([label, value]) =>
      name!.endsWith("_build_info") ? label : `${label}="${value}"`,
    );
    return [`${name}{${shown.sort().join(",")}}`];
  });
  return new Set(samples);
}
