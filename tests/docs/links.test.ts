import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { allPages, anchorsOf, codeOf, linksOf, ROOT } from "./markdown.ts";

const pages = await allPages();

describe.each(pages)("$path", ({ path, text }) => {
  it("links to files and headings that are there", async () => {
    const broken: string[] = [];
    for (const link of linksOf(text)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [file, anchor] = link.split("#") as [string, string?];
      const target = file === "" ? path : relative(ROOT, join(ROOT, dirname(path), file));
      if (!existsSync(join(ROOT, target))) broken.push(link);
      else if (anchor !== undefined) {
        const anchors = anchorsOf(await readFile(join(ROOT, target), "utf8"));
        if (!anchors.has(anchor)) broken.push(`${link}: no such heading`);
      }
    }
    expect(broken).toEqual([]);
  });

  it("names files of the project that are there", () => {
    const folders =
      /^(bench|control|debian|docs|monitoring|packaging|peer|protocol|proxy|reference|runtime|supernode|tests)\/[\w./-]+$/;
    const named = codeOf(text).filter((code) => !code.language && folders.test(code.text));
    // `bench/results` and the like are made by a run.
    const missing = named.map((code) => code.text).filter((name) => !existsSync(join(ROOT, name)));
    expect(missing).toEqual([]);
  });
});

it("every page is to be found from the README", async () => {
  const linked = new Set(["README.md"]);
  for (const page of linked) {
    const text = pages.find(({ path }) => path === page)?.text ?? "";
    for (const link of linksOf(text)) {
      if (/^[a-z]+:/.test(link) || link.startsWith("#")) continue;
      linked.add(relative(ROOT, join(ROOT, dirname(page), link.split("#")[0]!)));
    }
  }
  expect(pages.map(({ path }) => path).filter((path) => !linked.has(path))).toEqual([]);
});

it("every alert has its place in the runbook, and its runbook_url a heading", async () => {
  const rules = await readFile(join(ROOT, "packaging/prometheus/alerts.yml"), "utf8");
  const runbook = pages.find(({ path }) => path === "docs/runbook.md")!.text;
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name!);
  expect(alerts.length).toBeGreaterThan(0);
  expect(alerts.filter((name) => !runbook.includes(`\`${name}\``))).toEqual([]);
  const packaged = await readFile(join(ROOT, "debian/dragonfly-monitoring.docs"), "utf8");
  const urls = [...rules.matchAll(/runbook_url: (.*)$/gm)].map(([, url]) => url!);
  expect(urls).toHaveLength(alerts.length);
  for (const url of urls) {
    const [, name, anchor] =
      /^file:\/\/\/usr\/share\/doc\/dragonfly-monitoring\/([^#/]+)#(\S+)$/.exec(url) ?? [];
    expect(packaged.split("\n")).toContain(`docs/${name}`);
    expect([...anchorsOf(pages.find(({ path }) => path === `docs/${name}`)!.text)], url).toContain(
      anchor,
    );
  }
});

it("headings have anchors as GitHub makes them", () => {
  const text = "# A `b` (c), d\n## Same ★\n## Same ★\n```sh\n# no heading\n```\n";
  expect([...anchorsOf(text)]).toEqual(["a-b-c-d", "same-", "same--1"]);
});
