import { readdir, readFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");

/**
 * Which folders each may know (docs/architecture.md, The tree), or which of their files. Tests, and what is
 * there for tests only, may know more.
 */
const MAY_KNOW: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  runtime: [],
  peer: ["protocol", "runtime"],
  supernode: ["protocol", "runtime"],
  proxy: ["protocol", "runtime", "peer/mod.ts"],
  control: ["protocol", "runtime", "peer/mod.ts", "proxy/mod.ts"],
};

it.each(Object.entries(MAY_KNOW))("%s knows only whom it may", async (folder, allowed) => {
  const wrong: string[] = [];
  let seen = 0;
  for (const entry of await readdir(join(ROOT, folder), { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (!/\.ts$/.test(file) || /\.test\.ts$|\/testing(\/|\.ts$)/.test(file)) continue;
    seen += 1;
    const text = await readFile(file, "utf8");
    for (const [, imported] of text.matchAll(/(?:from|import\(?)\s*"(\.[^"]+)"/g)) {
      const target = relative(ROOT, resolve(entry.parentPath, imported!));
      const own = target === folder || target.startsWith(`${folder}/`) || !target.includes("/");
      if (!own && !allowed.some((one) => target === one || target.startsWith(`${one}/`)))
        wrong.push(`${relative(ROOT, file)} imports ${target}`);
    }
  }
  expect(seen).toBeGreaterThan(0);
  expect(wrong).toEqual([]);
});
