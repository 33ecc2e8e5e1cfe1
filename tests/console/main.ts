import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Authority } from "../support/authority.ts";
import { startBrowser } from "../support/browser.ts";
import { Dfdaemon } from "../support/dfdaemon.ts";
import { createImage, MB } from "../support/image.ts";
import { RunningProgram } from "../support/process.ts";
import { Registry } from "../support/registry.ts";
import { Scratch } from "../support/scratch.ts";
import { startSupernode } from "../support/supernode.ts";

/** Pictures of the console for docs/console.md, of nodes that really pull. Takes two minutes, and root. */

const OUT = resolve(import.meta.dirname, "../../docs/images");
const IMAGES = [
  { repository: "team/shop", megabytes: 90, atSeconds: 2 },
  { repository: "team/search", megabytes: 150, atSeconds: 32 },
  { repository: "base/python", megabytes: 240, atSeconds: 62 },
];
const SHOOT_AT_SECONDS = 74;

/** Gives a program a host name of its own. */
const named = (name: string) => [
  ...["unshare", "--uts", "sh", "-c", `hostname ${name}; exec "$@"`, "sh"],
];

const scratch = await Scratch.open("screenshots");
try {
  const registry = await Registry.start(scratch);
  const authority = await Authority.create(scratch, "nodes");
  for (const { repository, megabytes } of IMAGES) {
    const image = await createImage(scratch, repository.replace("/", "-"), [megabytes * MB]);
    await registry.push(image, repository);
  }
  const supernode = await startSupernode(scratch, {
    ...{ cdnPattern: "source", registry, prefix: named("supernode-1") },
    env: { SSL_CERT_FILE: registry.authority.files.cert },
  });
  const nodes = await Promise.all(
    Array.from({ length: 6 }, (_, index) =>
      Dfdaemon.start(scratch, {
        ...{ supernodes: [supernode.node], registry, authority },
        rateLimit: index === 4 ? "1M" : "8M",
        prefix: named(`node-${index + 1}`),
      }),
    ),
  );
  const begun = performance.now();
  const until = (seconds: number) => sleep(begun + seconds * 1000 - performance.now());
  const pulls = [];
  for (const { repository, atSeconds } of IMAGES) {
    await until(atSeconds);
    for (const [index, node] of nodes.entries()) {
      const into = join(scratch.dir, `${repository.replace("/", "-")}-${index}`);
      const command = ["skopeo", "copy", "--quiet", "--insecure-policy"];
      command.push(`--src-cert-dir=${authority.directory}`);
      command.push(`docker://${registry.host}/${repository}:latest`, `dir:${into}`);
      pulls.push(RunningProgram.start(scratch, command, { env: { HTTPS_PROXY: node.url } }));
    }
  }
  await until(SHOOT_AT_SECONDS - 8);
  const browser = await startBrowser(scratch);
  const page = await browser.newPage({ viewport: { width: 1200, height: 1000 } });
  await page.goto(`http://${supernode.node}/console`);
  await page.locator("table.nodes").waitFor();
  for (const name of ["team/shop:latest", "team/none:1.2"]) {
    await page.fill("[name=what]", `${registry.host}/${name}`);
    await page.getByRole("button", { name: "Preheat", exact: true }).click();
    await page.locator("table.preheats", { hasText: name }).waitFor();
  }
  await until(SHOOT_AT_SECONDS);
  const shoot = (name: string) => page.screenshot({ path: join(OUT, name) });
  // The form was scrolled to.
  await page.evaluate(() => {
    (document.activeElement as HTMLElement).blur();
    scrollTo({ top: 0, behavior: "instant" });
  });
  await sleep(300);
  await shoot("console-light.png");
  await page.emulateMedia({ colorScheme: "dark" });
  await sleep(300);
  await shoot("console-dark.png");
  await page.setViewportSize({ width: 360, height: 1500 });
  await page.emulateMedia({ colorScheme: "light" });
  await sleep(500);
  await shoot("console-360.png");
  await Promise.all(pulls.map((pull) => pull.stop()));
  await Promise.all([...nodes, supernode].map(({ process }) => process.stop()));
} finally {
  await scratch.close();
}
