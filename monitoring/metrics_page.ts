/** What a metric says of itself. */
export interface MetricDescription {
  name: string;
  help: string;
  type: string;
  labelNames: readonly string[];
}

const INTRODUCTION = `# Metrics

Both programs answer \`/metrics\` in Prometheus' text format: the supernode at the port of its API (8002),
dfdaemon at its own (65001, by https where \`certpem\` is set). The supernode has all of v1's names. Beside
these there are \`process_…\` and \`nodejs_…\`: memory, processor time, open files, delays of the event loop.

This page is generated from the code: \`npm run metrics-page\` writes it.
`;

/** The reference of all metrics, as Markdown; a section for each program. */
export function metricsPage(
  programs: Readonly<Record<string, readonly MetricDescription[]>>,
): string {
  const sections = Object.entries(programs).map(([program, metrics]) => {
    const rows = metrics
      .filter(({ name }) => name.startsWith("dragonfly_"))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(row);
    return `## ${program}\n\n| metric | type | labels | what |\n|---|---|---|---|\n${rows.join("\n")}\n`;
  });
  return [INTRODUCTION, ...sections].join("\n");
}

function row({ name, help, type, labelNames }: MetricDescription): string {
  const labels = labelNames.filter((label) => label !== "le").map((label) => `\`${label}\``);
  const what = help.replace(/\.$/, "").replaceAll("|", "\\|");
  return `| \`${name}\` | ${type} | ${labels.join(", ")} | ${what} |`;
}
