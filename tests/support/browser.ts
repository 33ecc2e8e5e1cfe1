import { type Browser, chromium } from "playwright-core";
import type { Scratch } from "./scratch.ts";

/** Debian's browser; playwright's own would have to be fetched. */
const CHROMIUM = "/usr/bin/chromium";

/** Starts a headless Chromium with a profile of its own, which is gone when `scratch` closes. */
export async function startBrowser(scratch: Scratch): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      // Containers give tests no user namespaces, and little of /dev/shm.
      "--no-sandbox",
      "--disable-dev-shm-usage",
      // Nothing but the page under test is to be asked for anything.
      "--disable-background-networking",
      "--disable-component-update",
      "--no-first-run",
    ],
    env: { ...(process.env as Record<string, string>), HOME: await scratch.directory("browser") },
  });
  scratch.defer(() => browser.close());
  return browser;
}
