// Writes what a package documents of itself: man pages from the bundled programs, and the licences of
// the libraries bundled with them.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The bundled programs, and the section of the manual that each belongs to. */
const PROGRAMS = { supernode: 8, dfdaemon: 8, dfget: 1, dfctl: 8, check_dragonfly: 1 };

for (const [program, section] of Object.entries(PROGRAMS)) {
  const options = ["gen-doc", "--man", String(section), "--path", "dist/man"];
  execFileSync(process.execPath, [`dist/${program}.js`, ...options], { stdio: "inherit" });
}
writeFileSync("dist/THIRD-PARTY-LICENSES", thirdParties().join(`\n${"-".repeat(78)}\n\n`));

/** One text a library that the programs use, as package-lock.json has them. */
function thirdParties() {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8"));
  return Object.entries(packages)
    .filter(([folder, { dev, devOptional }]) => folder !== "" && !dev && !devOptional)
    .map(([folder, { version, license }]) => {
      const name = folder.replace(/^.*node_modules\//, "");
      const files = readdirSync(folder).filter((file) =>
        /^(licen[cs]e|copying|notice)/i.test(file),
      );
      const texts = files.map((file) => readFileSync(join(folder, file), "utf8").trim());
      return `${[`${name} ${version}: ${license}`, ...texts].join("\n\n")}\n`;
    });
}
