import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parseSamples, parseSelector, sumOf } from "../../monitoring/metric_samples.ts";
import { MOST_BLOCK_BYTES } from "../../protocol/swarm/blocks.ts";
import { Authority } from "../support/authority.ts";
import { startBrowser } from "../support/browser.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { createImage, type Image, MB } from "../support/image.ts";
import { until } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { ACCOUNT, Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { expectImage, startSkopeoPull } from "../support/skopeo.ts";
import { supernodeMetrics } from "../support/supernode_metrics.ts";

/** What a URL must not show, and a name that would be code if it were not taken for text. */
const SECRET = "planted-console-4f9d21";
const CODE = '<img src=x onerror="window.broken=1">';

describeWithPrograms(
  "the console in a real browser",
  { programs: ["skopeo", "docker-registry", "chromium"] },
  () => {
    const repository = "team/web";
    let scratch: Scratch;
    let registry: Registry;
    let cluster: Cluster;
    let authority: Authority;
    let image: Image;
    let browser: Browser;
    let page: Page;
    let console_: string;
    const complaints: string[] = [];
    const foreign: string[] = [];

    beforeAll(async () => {
      scratch = await Scratch.open("console");
      registry = await Registry.start(scratch, { authenticated: true });
      authority = await Authority.create(scratch, "nodes");
      image = await createImage(scratch, "web", [48 * MB]);
      await registry.push(image, repository);
      cluster = await startCluster(scratch, {
        ...{ nodes: 3, cdnPattern: "source", registry, authority, rateLimit: "6M" },
        scheme: "https",
        // Stands for the host's own list of authorities.
        env: { SSL_CERT_FILE: registry.authority.files.cert },
      });
      browser = await startBrowser(scratch);
      page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
      page.on("console", (message) => complaints.push(message.text()));
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("request", (request) => {
        if (new URL(request.url()).host !== cluster.supernode.node) foreign.push(request.url());
      });
      console_ = `http://${cluster.supernode.node}/console`;
    });
    afterAll(() => scratch?.close());

    const figure = (name: string) =>
      page.locator(".figures div", { hasText: name }).locator("dd").getAttribute("title");
    const exact = async (name: string) => Number((await figure(name))?.replace(/\D/g, ""));

    it("says what to do where there is nothing yet", async () => {
      await page.goto(console_);
      await page.getByText("Live", { exact: true }).waitFor();
      await page.getByText("Nothing is being distributed.").waitFor();
      await page.getByText("No node has come yet.").waitFor();
      await page.getByText("Nothing has gone wrong").waitFor();
    });

    it("shows a swarm as it comes about, and its numbers are those of the metrics", async () => {
      const pulls = cluster.nodes.map((node, index) => {
        const into = `${scratch.dir}/pulled-${index}`;
        const options = { registry, repository, into, proxy: node.url };
        const trust = authority.directory;
        return { into, program: startSkopeoPull(scratch, { ...options, trust, login: true }) };
      });
      // By its digest: the image's configuration is a file of the same repository.
      const digest = image.layers[0]!.digest.slice(0, "sha256:".length + 12);
      const row = page.locator("table.files tbody tr", { hasText: digest });
      const map = row.locator("canvas");
      // While it runs: a part is here and a part is not.
      await page.waitForFunction(() => {
        const label =
          document.querySelector("table.files canvas")?.getAttribute("aria-label") ?? "";
        const part = Number(/(\d+) % is with some node/.exec(label)?.[1]);
        return part > 0 && part < 100;
      });
      expect(await page.locator("table.nodes .badge", { hasText: "downloading" }).count()).toBe(3);
      expect(await drawnColors(page)).toBeGreaterThan(1);
      await Promise.all(pulls.map(({ program, into }) => expectImage(program, into, image)));
      await row.getByText("3 of 3").waitFor();
      expect(await map.getAttribute("aria-label")).toContain("100 % with all");

      let samples = { delivered: 0, egress: 0 };
      await until("the page shows what the metrics say", async () => {
        const metric = await supernodeMetrics(cluster.supernode);
        const delivered = metric("node_bytes_total");
        const egress = metric('node_bytes_total{origin="registry"}') + metric("source_bytes_total");
        const shown = [await exact("Delivered to nodes"), await exact("Sent by registries")];
        samples = { delivered, egress };
        return delivered > 0 && shown[0] === delivered && shown[1] === egress;
      });
      // And those of the nodes, of which each has the whole layer.
      const alike = (one: number, other: number) => {
        // What a busy machine has fetched twice, only the registry and the supernode count twice.
        expect(Math.abs(one - other)).toBeLessThanOrEqual(2 * MOST_BLOCK_BYTES);
      };
      alike(samples.delivered, await fromNodes("dragonfly_dfdaemon_bytes_total"));
      alike(samples.egress, await fromNodes('dragonfly_dfdaemon_bytes_total{origin="registry"}'));
      expect(await exact("Saved")).toBe(samples.delivered - samples.egress);
    });

    it("is walked and used by the keyboard alone", async () => {
      await page.reload();
      await page.locator("table.nodes").waitFor();
      await page.keyboard.press("Tab");
      expect(await focused(page)).toBe("Skip to content");
      await page.keyboard.press("Enter");
      const passed: string[] = [];
      for (let step = 0; step < 30 && passed.at(-1) !== "Preheat"; step++) {
        await page.keyboard.press("Tab");
        passed.push(await focused(page));
        expect(await hasOutline(page), passed.at(-1)).toBe(true);
        if (passed.at(-1) === "Node") await page.keyboard.press("Enter");
        if (passed.at(-1) === "what") await page.keyboard.type(`${registry.host}/${repository}`);
        if (passed.at(-1) === "It needs a login") await page.keyboard.press("Enter");
        if (passed.at(-1) === "user") await page.keyboard.type(ACCOUNT.user);
        if (passed.at(-1) === "password") await page.keyboard.type(ACCOUNT.password);
      }
      expect(passed).toEqual(expect.arrayContaining(["Node", "Down", "what", "user", "password"]));
      expect(
        await page.locator("table.nodes th", { hasText: "Node" }).getAttribute("aria-sort"),
      ).toBe("ascending");
      await page.keyboard.press("Enter");
      await page.getByText("Begun: see below").waitFor();
    });

    it("shows how far a preheat is, and that it is done", async () => {
      const row = page.locator("table.preheats tbody tr").first();
      await row.getByText("done").waitFor();
      expect(await row.locator("progress").evaluate((bar: HTMLProgressElement) => bar.value)).toBe(
        1,
      );
      expect(await row.textContent()).toContain(`${registry.host}/${repository}:latest`);
      expect(await row.textContent()).toContain("2 of 2 files");
      expect(await page.locator("[name=password]").inputValue()).toBe("");
    });

    it("says what is wrong with an order, and why a preheat failed", async () => {
      await page.fill("[name=what]", "no name");
      await page.keyboard.press("Enter");
      await page.getByText("“no name” is no image's name").waitFor();
      expect(await focused(page)).toBe("what");
      await page.check("[value=file]");
      await page.fill("[name=what]", `http://user:${SECRET}@127.0.0.1:9/gone?token=${SECRET}`);
      await page.keyboard.press("Enter");
      await page.locator("table.preheats .badge.failed").waitFor();
    });

    it("shows names as text, and no secrets", async () => {
      await fetch(`http://${cluster.supernode.node}/peer/registry`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          ...{ rawUrl: `http://127.0.0.1:9/${encodeURIComponent(CODE)}?sig=${SECRET}`, cid: "x" },
          ...{ ip: "127.0.0.9", hostName: CODE, port: 20000, path: "/peer/file/x" },
          headers: [`Authorization:${SECRET}`],
        }),
      });
      await page.locator("table.problems", { hasText: "127.0.0.9" }).waitFor();
      expect(await page.evaluate(() => "broken" in window)).toBe(false);
      const { user, password } = ACCOUNT;
      const basic = Buffer.from(`${user}:${password}`).toString("base64");
      const content = await page.content();
      const events = await firstEvent(`${console_}/events`);
      expect(events).toContain("127.0.0.9");
      for (const secret of [SECRET, password, basic]) {
        expect(content).not.toContain(secret);
        expect(events).not.toContain(secret);
      }
    });

    it("fits a narrow screen, in light and dark", async () => {
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        for (const width of [360, 768, 1280]) {
          await page.setViewportSize({ width, height: 740 });
          const scrolled = () => page.evaluate(() => document.documentElement.scrollWidth);
          await until(`no scrolling at ${width}`, async () => (await scrolled()) <= width);
        }
        expect(await leastContrast(page), colorScheme).toBeGreaterThanOrEqual(4.5);
      }
      const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      await page.emulateMedia({ colorScheme: "light" });
      const light = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      expect(dark).not.toBe(light);
    });

    it("says that the supernode drains, as long as it does", async () => {
      const drain = (draining: boolean) =>
        fetch(`http://${cluster.supernode.node}/control/drain`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ draining }),
        });
      const banner = page.getByText("This supernode is draining.");
      expect((await drain(true)).status).toBe(200);
      await banner.waitFor();
      await drain(false);
      await banner.waitFor({ state: "detached" });
    });

    it("has asked nobody else, and had nothing to complain of", () => {
      expect(foreign).toEqual([]);
      expect(complaints).toEqual([]);
    });

    it("says when the supernode is gone, and comes back with it", async () => {
      await cluster.supernode.process.stop();
      await page.getByText("No connection to the supernode.").waitFor();
      expect(await page.locator("table.files tbody tr").count()).toBeGreaterThan(0);
      await cluster.supernode.startAgain();
      await page.getByRole("button", { name: "Try again now" }).click();
      await page.getByText("Live", { exact: true }).waitFor();
    });

    /** The sum of a metric over all nodes. */
    async function fromNodes(selector: string): Promise<number> {
      const { HttpClient } = await import("../../runtime/http_client.ts");
      const client = new HttpClient();
      const tls = { ca: [authority.files.pair.cert] };
      let sum = 0;
      for (const { url } of cluster.nodes) {
        const { text } = await client.text(`${url}/metrics`, { tls });
        sum += sumOf(parseSamples(text), parseSelector(selector)) ?? 0;
      }
      client.close();
      return sum;
    }
  },
);

/** How people would name what has the focus. */
function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const element = document.activeElement as HTMLInputElement | null;
    return (element?.name || element?.textContent || "").trim();
  });
}

function hasOutline(page: Page): Promise<boolean> {
  return page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle !== "none");
}

/** How many colours the first piece map has. */
function drawnColors(page: Page): Promise<number> {
  return page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>("table.files canvas")!;
    const { data } = canvas.getContext("2d")!.getImageData(0, 4, canvas.width, 1);
    return new Set(new Uint32Array(data.buffer)).size;
  });
}

/** The least contrast of any text against the surface it stands on (WCAG 2.2, 1.4.3). */
function leastContrast(page: Page): Promise<number> {
  return page.evaluate(() => {
    const channels = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = (color: string) => {
      const [red, green, blue] = channels(color).map((channel) => {
        const part = channel / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
    };
    const surface = (element: Element): string => {
      for (let at: Element | null = element; at; at = at.parentElement) {
        const { backgroundColor } = getComputedStyle(at);
        const [, , , alpha = 1] = channels(backgroundColor);
        if (alpha === 1) return backgroundColor;
      }
      return "rgb(255, 255, 255)";
    };
    let least = 21;
    for (const element of document.querySelectorAll("body *")) {
      const hasText = [...element.childNodes].some(
        (node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim(),
      );
      if (!hasText) continue;
      const text = luminance(getComputedStyle(element).color);
      const behind = luminance(surface(element));
      least = Math.min(least, (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05));
    }
    return least;
  });
}

async function firstEvent(url: string): Promise<string> {
  const answer = await fetch(url);
  const reader = answer.body!.getReader();
  let text = "";
  const decoder = new TextDecoder();
  while (!text.endsWith("\n\n")) {
    const { value, done } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return text;
}
