import { appendFile, cp, mkdir, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { VERSION } from "../../runtime/version.ts";
import { allPages, codeOf, ROOT } from "../docs/markdown.ts";
import { runWell } from "../support/process.ts";
import { describeWithPrograms } from "../support/programs.ts";
import { Scratch } from "../support/scratch.ts";

/** Of the page's example: the version that the operator imports. */
const NEXT = "0.1.1";
/** Made by builds and tests. */
const LEFT_OUT = new Set(["node_modules", "dist", "coverage", ".git"]);

describeWithPrograms(
  "a repository of one's own, by the words of docs/packaging.md",
  {
    programs: ["git", "gbp", "dch", "dpkg-buildpackage", "dh", "reprepro", "gpg", "unshare"],
    namespaces: true,
  },
  () => {
    let scratch: Scratch;
    let home: string;
    let blocks: string[];

    beforeAll(async () => {
      scratch = await Scratch.open("publish");
      // Keys have a socket there, whose path must be short.
      home = await scratch.directory("home");
      await runWell(scratch, ["chmod", "700", home]);
      const page = (await allPages()).find(({ path }) => path === "docs/packaging.md")!.text;
      const chapter = page.split(/^## /m).find((text) => text.startsWith("Your own repository"))!;
      blocks = codeOf(chapter)
        .filter(({ language }) => language === "sh")
        .map(({ text }) => text);
    });
    afterAll(() => scratch?.close());

    /** Types lines in a directory; /srv is the test's own. */
    const type = (directory: string, lines: string) => {
      const command = `mount --bind "$0" /srv && cd "$1" && eval "$2"`;
      const place = [join(scratch.dir, "srv"), directory];
      const env = { HOME: home, GIT_CONFIG_GLOBAL: join(home, "gitconfig") };
      return runWell(scratch, ["unshare", "--mount", "bash", "-ec", command, ...place, lines], {
        env,
      });
    };

    it("a version is imported and built from its tag; apt takes what is published", async () => {
      const [once, each, repository, publish] = blocks as [string, string, string, string];
      const work = await scratch.directory("work");
      await scratch.directory("srv");
      const upstream = await scratch.directory("upstream");
      for (const name of await readdir(ROOT))
        if (!LEFT_OUT.has(name))
          await cp(join(ROOT, name), join(upstream, name), { recursive: true });
      await type(
        upstream,
        `git config --global user.name "An Operator"
        git config --global user.email ops@example.net
        git config --global url.${upstream}/.insteadOf https://git.example.net/dragonfly.git
        git init --quiet --initial-branch=main && git add --all && git commit --quiet -m ${VERSION}
        git tag v${VERSION}
        sed -i 's/"version": "${VERSION}"/"version": "${NEXT}"/' package.json
        git commit --quiet --all -m ${NEXT} && git tag v${NEXT}`,
      );

      await type(work, once.replaceAll("v0.1.0", `v${VERSION}`));
      const clone = join(work, "dragonfly");
      // In place of `npm ci`, which wants a network.
      await symlink(join(ROOT, "node_modules"), join(clone, "node_modules"));
      await appendFile(join(clone, ".git/info/exclude"), "/node_modules\n");
      // The packages that these rules make of it are built, looked at by lintian and installed in packages.test.ts.
      const source = each
        .replace("npm ci\n", "")
        .replace(/^gbp buildpackage.*$/m, `$& --git-builder="dpkg-buildpackage -S -d -us -uc"`)
        .replace(/^lintian.*$/m, "");
      expect(source).toContain("-S -d");
      await type(clone, source);
      const made = (await readdir(work)).sort();
      expect(made).toContain(`dragonfly_${NEXT}.orig.tar.gz`);
      const changes = made.find((name) => name.endsWith(".changes"))!;
      const tags = await type(clone, "git tag");
      expect(tags.stdout.toString()).toContain(
        changes.replace(/^dragonfly_(.*)_source.*$/, "debian/$1"),
      );

      await type(clone, repository);
      const listed = await type(clone, publish.replace(/\.\.\/dragonfly_\S+/, `../${changes}`));
      expect(listed.stdout.toString()).toMatch(/^bookworm\|main\|source: dragonfly 0\.1\.1-1\+/m);
      await mkdir(join(scratch.dir, "apt/lists/partial"), { recursive: true });
      const line = "deb-src [signed-by=/srv/repo/example.gpg] file:/srv/repo bookworm main";
      const fetched = await type(
        scratch.dir,
        `echo '${line}' > apt/sources.list
        cat > apt/apt.conf <<END
        Dir::Etc::sourcelist "$PWD/apt/sources.list";
        Dir::Etc::sourceparts "/dev/null";
        Dir::State::lists "$PWD/apt/lists";
        Dir::Cache "$PWD/apt/cache";
        APT::Sandbox::User "root";
END
        export APT_CONFIG=$PWD/apt/apt.conf
        apt-get update --error-on=any && apt-get source --download-only dragonfly && ls
        gpgconf --kill all`,
      );
      expect(fetched.stdout.toString()).toContain(`dragonfly_${NEXT}.orig.tar.gz`);
    });
  },
);
