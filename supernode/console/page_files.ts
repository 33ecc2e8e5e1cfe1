import { readFile } from "node:fs/promises";

/** The files of the console's page. */
export const PAGE_FILES = {
  "index.html": "text/html; charset=utf-8",
  "page.js": "text/javascript; charset=utf-8",
  "page.css": "text/css; charset=utf-8",
  "icon.svg": "image/svg+xml",
} as const;
export type PageFile = keyof typeof PAGE_FILES;

/** Put here by the build (bench/build.mjs): a bundled supernode carries the page in itself. */
declare const CONSOLE_PAGE: Readonly<Record<PageFile, string>>;

/**
 * A file of the page: from the program itself, or, where that runs from its source, from `dist/console`,
 * where the build has put it.
 *
 * @returns `undefined` where it has not been built
 */
export async function pageFile(
  name: PageFile,
): Promise<{ type: string; text: string } | undefined> {
  const type = PAGE_FILES[name];
  if (typeof CONSOLE_PAGE !== "undefined") return { type, text: CONSOLE_PAGE[name] };
  const path = new URL(`../../dist/console/${name}`, import.meta.url);
  const text = await readFile(path, "utf8").catch(() => undefined);
  return text === undefined ? undefined : { type, text };
}
