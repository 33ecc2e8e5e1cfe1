import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");

/** A page of the documentation. */
export interface Page {
  /** From the project's root. */
  path: string;
  text: string;
}

/** A piece of code in a page: a fenced block, or what stands between backticks in a line. */
export interface Code {
  /** As the fence says it, `sh` or `yaml`; `undefined` within a line. */
  language?: string;
  text: string;
}

/** README.md, SECURITY.md and all below docs/. */
export async function allPages(): Promise<Page[]> {
  const below = await readdir(join(ROOT, "docs"), { recursive: true });
  const paths = ["README.md", "SECURITY.md", ...below.map((name) => `docs/${name}`)];
  return Promise.all(
    paths
      .filter((path) => path.endsWith(".md"))
      .map(async (path) => ({ path, text: await readFile(join(ROOT, path), "utf8") })),
  );
}

const FENCE = /^```(\S*)\n(.*?)^```$/gms;

/** Fenced blocks and inline code. */
export function codeOf(text: string): Code[] {
  const blocks = [...text.matchAll(FENCE)].map(([, language, code]) => ({
    language: language!,
    text: code!,
  }));
  const inline = [...withoutBlocks(text).matchAll(/`([^`]+)`/g)].map(([, code]) => ({
    text: code!.replaceAll("\n", " "),
  }));
  return [...blocks, ...inline];
}

/** Targets of links and images. */
export function linksOf(text: string): string[] {
  const prose = withoutBlocks(text).replace(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target]) => target!);
}

/** The anchors that a page has: one a heading, spelled as GitHub does. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of withoutBlocks(text).matchAll(/^#{1,6} (.+)$/gm)) {
    const slug = heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-");
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

function withoutBlocks(text: string): string {
  return text.replace(FENCE, "");
}
