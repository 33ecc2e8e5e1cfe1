import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { freshAddress } from "../support/addresses.ts";
import { ourProgram } from "../support/our_programs.ts";
import { run } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Scratch } from "../support/scratch.ts";
import { Source } from "../support/source.ts";
import { ScriptedSupernode } from "./scripted_supernode.ts";

describeWithPrograms(
  "the configuration files of dfget, under /etc",
  { programs: ["unshare"], namespaces: true },
  () => {
    let scratch: Scratch;
    let source: Source;
    beforeAll(async () => {
      scratch = await Scratch.open("legacy-config");
      source = await Source.start(scratch);
    });
    afterAll(() => scratch?.close());

    /** Runs dfget where these files are all that is in `/etc`; to whom it spoke. */
    async function dfgetWith(
      name: string,
      files: (nodes: { first: string; second: string }) => Record<string, string>,
    ) {
      const supernodes = {
        first: await ScriptedSupernode.start(scratch),
        second: await ScriptedSupernode.start(scratch),
      };
      const etc = await scratch.directory(name, "etc");
      await scratch.directory(name, "etc", "dragonfly");
      const nodes = { first: supernodes.first.node, second: supernodes.second.node };
      for (const [path, text] of Object.entries(files(nodes))) {
        await writeFile(join(etc, path), text);
      }
      const file = source.add(name, 100);
      const output = join(scratch.dir, name, "out");
      const args = ["-u", file.url, "-o", output, "-p", "cdn", "--ip", freshAddress()];
      const finished = await run(scratch, [
        ...[
          "unshare",
          "--mount",
          "bash",
          "-c",
          'mount --bind "$1" /etc; shift; exec "$@"',
          "etc",
          etc,
        ],
        ...[...ourProgram("dfget"), ...args],
      ]);
      expect(finished, finished.output).toMatchObject({ code: 0 });
      return {
        first: supernodes.first.registrations.length > 0,
        second: supernodes.second.registrations.length > 0,
      };
    }

    it("/etc/dragonfly.conf names the supernodes", async () => {
      const asked = await dfgetWith("ini", ({ first, second }) => ({
        "dragonfly.conf": `# of old\n[other]\naddress=127.0.0.1:1\n[node]\naddress=${first}, ${second}\n`,
      }));
      expect(asked).toEqual({ first: true, second: true });
    });

    it("/etc/dragonfly/dfget.yml comes before it", async () => {
      const asked = await dfgetWith("yml", ({ first, second }) => ({
        "dragonfly.conf": `[node]\naddress=${first}\n`,
        "dragonfly/dfget.yml": `nodes: ["${second}=2"]\n`,
      }));
      expect(asked).toEqual({ first: false, second: true });
    });
  },
);
