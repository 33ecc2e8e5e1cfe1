import { chmod, chown, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freshAddress } from "../support/addresses.ts";
import { dfgetHost, startDfget } from "../support/dfget.ts";
import { ourProgram } from "../support/our_programs.ts";
import { run } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Scratch } from "../support/scratch.ts";
import { Source, type SourceUrl } from "../support/source.ts";

/** Any user who is not root, and a group that is not the user's own. */
const NOBODY = 65534;
const STAFF = 50;

describeWithPrograms("dfget writes where the system lets it", { programs: [], root: true }, () => {
  let scratch: Scratch;
  let file: SourceUrl;

  beforeAll(async () => {
    scratch = await Scratch.open("dfget-permissions");
    await chmod(scratch.dir, 0o755);
    const source = await Source.start(scratch);
    file = source.add("file", 100_000);
  });
  afterAll(() => scratch?.close());

  it("root, into another's directory", async () => {
    const into = join(scratch.dir, "anothers");
    await mkdir(into);
    await chown(into, NOBODY, NOBODY);
    const output = join(into, "file");
    const host = await dfgetHost(scratch);
    const finished = await startDfget(scratch, host, ["-u", file.url, "-o", output]).finished();
    expect(finished, finished.output).toMatchObject({ code: 0 });
    expect(file.content.equals(await readFile(output))).toBe(true);
  });

  it("a user, into the directory of a group that is not the first of the user's; not into others", async () => {
    const home = join(scratch.dir, "home");
    await mkdir(home);
    await chown(home, NOBODY, NOBODY);
    const download = async (name: string, mode: number) => {
      const into = join(scratch.dir, name);
      await mkdir(into);
      await chown(into, 0, STAFF);
      await chmod(into, mode);
      const output = join(into, "file");
      const flags = ["--ip", freshAddress(), "--home", home, "-u", file.url, "-o", output];
      const user = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, `--groups=${STAFF}`];
      const finished = await run(scratch, [...user, ...ourProgram("dfget"), ...flags], {
        cwd: home,
      });
      return { finished, output };
    };
    const well = await download("groups", 0o775);
    expect(well.finished, well.finished.output).toMatchObject({ code: 0 });
    expect(file.content.equals(await readFile(well.output))).toBe(true);
    const refused = await download("closed", 0o755);
    expect(refused.finished.code).toBe(78);
    expect(refused.finished.output).toMatch(
      /cannot write to .*closed: not permitted to write there, as user \S+ \(--output/,
    );
  });
});
