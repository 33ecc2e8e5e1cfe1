import { randomBytes } from "node:crypto";
import { access, readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MB } from "../support/image.ts";
import { Scratch } from "../support/scratch.ts";
import { Source, type SourceUrl } from "../support/source.ts";
import { newHost, startAnyDfget } from "./dfget.ts";
import { startOrigin } from "./origin.ts";
import { type AnySupernode, startAnySupernode } from "./supernode.ts";
import { describeWithV1, PAIRS } from "./v1_programs.ts";

const WRONG_MD5 = "0".repeat(32);

describeWithV1("dfget's flags that a supernode must understand", () => {
  describe.each(PAIRS)("dfget $dfget, supernode $supernode", (pair) => {
    let scratch: Scratch;
    let source: Source;
    let supernode: AnySupernode;
    beforeAll(async () => {
      scratch = await Scratch.open("interop-flags");
      source = await Source.start(scratch);
      supernode = await startAnySupernode(pair.supernode, scratch, "local");
    });
    afterAll(() => scratch?.close());

    /** A download on a new host. */
    async function download(url: string, ...flags: string[]) {
      const { node } = supernode;
      const host = await newHost(scratch);
      const { output, dfget } = startAnyDfget(pair.dfget, scratch, host, { url, node, flags });
      return { ...(await dfget.finished()), path: output };
    }

    async function expectFile(file: SourceUrl, ...flags: string[]): Promise<void> {
      const finished = await download(file.url, ...flags);
      expect(finished, finished.output).toMatchObject({ code: 0 });
      expect(finished.output).toMatch(/reason:0\b/);
      expect(file.content.equals(await readFile(finished.path))).toBe(true);
    }

    it("--md5 that is right", async () => {
      const file = source.add("md5-right", 5 * MB);
      await expectFile(file, "--md5", file.md5);
    });

    it("--md5 that is wrong: code 80 and no file", async () => {
      const file = source.add("md5-wrong", 5 * MB);
      const finished = await download(file.url, "--md5", WRONG_MD5);
      expect(finished, finished.output).toMatchObject({ code: 80 });
      await expect(access(finished.path)).rejects.toThrow();
    });

    it("--identifier keeps tasks of one URL apart", async () => {
      const file = source.add("identified", 20 * MB);
      await expectFile(file, "--identifier", "one");
      const sent = file.sent();
      await expectFile(file, "--identifier", "one");
      // v1's supernode asks for the length by a GET that it breaks off.
      expect(file.sent() - sent).toBeLessThan(file.size / 2);
      await expectFile(file, "--identifier", "two");
      expect(file.sent() - sent).toBeGreaterThanOrEqual(file.size);
    });

    it("--filter makes one task of URLs that differ where it does not matter", async () => {
      const content = randomBytes(20 * MB);
      const origin = await startOrigin(scratch, { "/filtered": content });
      for (const sign of ["a", "b"]) {
        const url = `${origin.url}/filtered?sign=${sign}&kept=1&time=${sign}`;
        const finished = await download(url, "--filter", "sign&time");
        expect(finished, finished.output).toMatchObject({ code: 0 });
        expect(finished.output).toMatch(/reason:0\b/);
        expect(content.equals(await readFile(finished.path))).toBe(true);
      }
      expect(origin.sent("/filtered")).toBeLessThan(1.5 * content.length);
    });

    it("--header goes along to the source", async () => {
      const file = source.add("guarded", 5 * MB, { authorization: "Basic dTpwdw==" });
      await expectFile(file, "--header", "Authorization: Basic dTpwdw==", "--header", "X: a, b");
      const refused = await download(file.url);
      expect(refused, refused.output).toMatchObject({ code: 80 });
    });
  });
});
