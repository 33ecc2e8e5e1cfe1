import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { clientSign } from "../../protocol/names.ts";
import { BacksourceReason } from "../../protocol/v1/report.ts";
import { makeDirectory } from "../../runtime/files.ts";
import { configureLogging, getLogger } from "../../runtime/logger.ts";
import { makeSureWritable, whyNotWritable } from "../../runtime/make_sure_writable.ts";
import { redactUrl } from "../../runtime/redact_url.ts";
import { closeTracing, startTracing } from "../../runtime/tracing/tracing.ts";
import { VERSION } from "../../runtime/version.ts";
import { DfgetJob } from "./dfget_job.ts";
import { ExitCode } from "./exit_code.ts";
import type { DfgetFlags } from "./flags.ts";
import { type DownloadRequest, readRequest } from "./request.ts";
import { mergeSettings } from "./settings.ts";

const log = getLogger("dfclient");

/**
 * Downloads one file as `dfget` does, and prints what v1 prints.
 *
 * @returns the exit code
 * @throws {UsageError} for flags that make no sense
 */
export async function runDownload(flags: DfgetFlags): Promise<number> {
  const request = await readRequest(flags);
  const settings = await mergeSettings(flags, flags.config);
  const home = resolve(settings.home ?? join(homedir(), ".small-dragonfly"));
  await configureLogging({
    ...settings.logConfig,
    files: { dfclient: settings.logConfig?.path || join(home, "logs", "dfclient.log") },
    verbose: flags.verbose ?? false,
    stderr: flags.console ?? false,
  });
  // Standard output may be the file itself.
  const say = (line: string) =>
    (request.toStdout ? process.stderr : process.stdout).write(`${line}\n`);
  const startedMs = Date.now();
  const sign = clientSign(process.pid, startedMs);
  say(
    `--${new Date(startedMs).toISOString().slice(0, 19).replace("T", " ")}--  ${redactUrl(request.url)}`,
  );
  say(`dfget version:${VERSION}`);
  say(`workspace:${home}`);
  say(`sign:${sign}`);

  const unusable = await prepare(request, home);
  if (unusable) {
    say(
      `download FAIL(1102) cost:0.000s length:-1 reason:${BacksourceReason.initError} error:${unusable}`,
    );
    return ExitCode.prepare;
  }
  await startTracing("dfget", settings.tracing, log);
  const job = await DfgetJob.create(request, settings, home, sign, say);
  const exitCode = await job.run(startedMs);
  await closeTracing();
  return exitCode;
}

/** Makes sure that there is a place to write to; a text says what is wrong. */
async function prepare(request: DownloadRequest, home: string): Promise<string | undefined> {
  const places: [path: string, elsewhere: string][] = [[join(home, "data"), "--home"]];
  if (!request.toStdout) places.push([dirname(request.output), "--output"]);
  for (const [path, flag] of places) {
    try {
      await makeDirectory(path);
      await makeSureWritable(path);
    } catch (error) {
      return `cannot write to ${path}: ${whyNotWritable(error as Error)} (${flag} names another place)`;
    }
  }
  return undefined;
}
