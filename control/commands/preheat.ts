import { setTimeout as sleep } from "node:timers/promises";
import { SingleBar } from "cli-progress";
import type { PreheatView } from "../../protocol/control/messages.ts";
import { platformSchema } from "../../protocol/v1/preheat.ts";
import { UsageError } from "../../runtime/command_line.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import { showBytes } from "../amounts.ts";
import { authorizationFor } from "../auth_file.ts";
import { ControlError } from "../control_error.ts";
import { findSupernodes, type TargetFlags } from "../find_supernodes.ts";
import { manifestUrl, parseImage } from "../image_reference.ts";
import { whenInterrupted } from "../interrupt.ts";
import { askAll, type OutputFlags, say, sayJson } from "../output.ts";
import type { PreheatOrder, SupernodeApi } from "../supernode_api.ts";

export interface PreheatFlags extends TargetFlags, OutputFlags {
  platform?: string;
  wait?: boolean;
  plainHttp?: boolean;
  authfile?: string;
}

const LOOK_MS = 300;

/** `dfctl preheat IMAGE`: has supernodes fetch an image, or a file by its URL, before anyone asks for it. */
export async function preheat(what: string, flags: PreheatFlags): Promise<void> {
  const order = await orderOf(what, flags);
  const supernodes = await findSupernodes(flags);
  const begun = await askAll(supernodes, (supernode) => supernode.startPreheat(order));
  const jobs = begun.map(({ supernode, value }) => ({ supernode, id: value }));
  if (jobs.length < supernodes.length) process.exitCode = 2;
  if (!flags.wait) {
    if (flags.json) sayJson(jobs.map(({ supernode, id }) => ({ supernode: supernode.name, id })));
    else for (const { supernode, id } of jobs) say(`${supernode.name}: preheat ${id} has begun`);
    return;
  }
  const views = await waitFor(jobs);
  if (flags.json) sayJson(views);
  for (const { supernode, status, error, files } of views) {
    if (status === "FAILED") {
      const url = redactUrl(order.url);
      const why = error.includes(url) ? error : `${url}: ${error}`;
      throw new ControlError(`supernode ${supernode}: ${why}`);
    }
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    if (!flags.json) say(`${supernode}: has all ${files.length} files, ${showBytes(bytes)}`);
  }
}

async function orderOf(what: string, flags: PreheatFlags): Promise<PreheatOrder> {
  if (flags.platform !== undefined) {
    if (!platformSchema.safeParse(flags.platform).success)
      throw new UsageError(`--platform: "${flags.platform}": expected os/architecture[/variant]`);
  }
  if (/^https?:\/\//.test(what)) {
    const isImage = /\/v2\/.+\/manifests\//.test(what);
    return { type: isImage ? "image" : "file", url: what, platform: flags.platform };
  }
  const image = parseImage(what);
  return {
    type: "image",
    url: manifestUrl(image, flags.plainHttp ? "http" : "https"),
    platform: flags.platform,
    ...(flags.authfile
      ? { headers: { Authorization: await authorizationFor(image.host, flags.authfile) } }
      : {}),
  };
}

/** Shows on a terminal how the preheats go, until all have ended. */
async function waitFor(
  jobs: readonly { supernode: SupernodeApi; id: string }[],
): Promise<(PreheatView & { supernode: string })[]> {
  const bar = process.stderr.isTTY
    ? new SingleBar({
        format: "{bar} {percentage}% | {files} files | {bytes}",
        stream: process.stderr,
        hideCursor: true,
        barsize: 30,
      })
    : undefined;
  const waited = whenInterrupted(() => {
    bar?.stop();
    return "the supernodes go on with it: `dfctl status` counts preheats, `dfctl tasks` shows the files";
  });
  bar?.start(1000, 0, { files: "?", bytes: "" });
  try {
    for (;;) {
      const views = await Promise.all(
        jobs.map(async ({ supernode, id }) => ({
          supernode: supernode.name,
          ...(await supernode.preheat(id)),
        })),
      );
      const { share, done, files, bytes } = progressOf(views);
      bar?.update(Math.floor(share * 1000), {
        files: `${done}/${files || "?"}`,
        bytes: showBytes(bytes),
      });
      if (views.every(({ status }) => status === "SUCCESS" || status === "FAILED")) return views;
      await sleep(LOOK_MS);
    }
  } finally {
    waited();
    bar?.stop();
  }
}

/** How far preheats are: the mean of their files, for how long those are that wait is not known yet. */
export function progressOf(views: readonly Pick<PreheatView, "files">[]) {
  const files = views.flatMap((view) => view.files);
  const parts = files.map(({ status, bytes, length }) =>
    status === "SUCCESS" ? 1 : length > 0 ? Math.min(1, bytes / length) : 0,
  );
  return {
    share: files.length === 0 ? 0 : parts.reduce((sum, part) => sum + part, 0) / files.length,
    done: files.filter(({ status }) => status === "SUCCESS").length,
    files: files.length,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
