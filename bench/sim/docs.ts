import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { drawCompletion, drawGrowth } from "./charts.ts";
import type { Figure, Outcomes } from "./figures.ts";
import { SERVICE_TIME } from "./options.ts";
import { assumptions, closingLine, renderMarkdown } from "./report.ts";

const PAGE = join("docs", "performance.md");
const COMPLETION = join("docs", "img", "sim-completion.svg");
const GROWTH = join("docs", "img", "sim-growth.svg");
/** What lies between these two on the page is written by this benchmark. */
const BEGIN = "<!-- sim: begin -->";
const END = "<!-- sim: end -->";

/**
 * Draws the curves and writes the figures onto the page of figures, below the working directory.
 *
 * @returns the files written
 */
export async function writeDocs(outcomes: Outcomes, figures: readonly Figure[]): Promise<string[]> {
  await mkdir(dirname(COMPLETION), { recursive: true });
  await writeFile(COMPLETION, drawCompletion(outcomes));
  await writeFile(GROWTH, drawGrowth(outcomes));
  const page = await readFile(PAGE, "utf8");
  const [before, rest = ""] = page.split(BEGIN);
  const after = rest.split(END)[1] ?? "\n";
  const text = [
    BEGIN,
    `Assumptions:\n\n${assumptions(SERVICE_TIME)
      .map((line) => `- ${line}`)
      .join("\n")}`,
    renderMarkdown(outcomes, figures),
    `\`${closingLine(figures)}\``,
    "![When which part of the nodes was done](img/sim-completion.svg)",
    "![Time and egress from 100 to 15,000 nodes](img/sim-growth.svg)",
    END,
  ].join("\n\n");
  await writeFile(PAGE, `${before!.trimEnd()}\n\n${text}${after}`);
  return [COMPLETION, GROWTH, PAGE];
}
