import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { describe } from "vitest";

/** The Debian package that brings each outside program. */
const PACKAGES = {
  skopeo: "skopeo",
  "docker-registry": "docker-registry",
  containerd: "containerd",
  ctr: "containerd",
  podman: "podman",
  docker: "docker.io",
  dockerd: "docker.io",
  runc: "runc",
  ip: "iproute2",
  nft: "nftables",
  unshare: "util-linux",
  "dpkg-buildpackage": "dpkg-dev",
  dh: "debhelper",
  icinga2: "icinga2-bin",
  prometheus: "prometheus",
  promtool: "prometheus",
  git: "git",
  gbp: "git-buildpackage",
  dch: "devscripts",
  reprepro: "reprepro",
  gpg: "gpg",
  lintian: "lintian",
  mmdebstrap: "mmdebstrap",
  "systemd-analyze": "systemd",
  chromium: "chromium",
  "redis-server": "redis-server",
  nginx: "nginx",
} as const;

export type OutsideProgram = keyof typeof PACKAGES;

/** What a machine must offer for a suite to run. */
export interface Needs {
  programs: readonly OutsideProgram[];
  /** Mounting file systems, as container engines do. */
  root?: boolean;
  /** Making Linux namespaces: a network and file systems of the test's own. */
  namespaces?: boolean;
}

/**
 * A suite that needs outside programs: without them it is skipped, and says which apt-get line brings
 * them; with `DRAGONFLY_REQUIRE_PROGRAMS=1` it fails instead.
 */
export function describeWithPrograms(name: string, needs: Needs, body: () => void): void {
  const reason = whatIsMissing(needs);
  if (reason === undefined) {
    describe(name, body);
    return;
  }
  if (process.env.DRAGONFLY_REQUIRE_PROGRAMS === "1") throw new Error(`"${name}": ${reason}`);
  console.warn(`skipped "${name}": ${reason}`);
  describe.skip(name, body);
}

function whatIsMissing({ programs, root, namespaces }: Needs): string | undefined {
  const missing = programs.filter((program) => !isInstalled(program));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((program) => PACKAGES[program]))];
    return `needs ${missing.join(", ")}: apt-get install ${packages.join(" ")}`;
  }
  if (root && process.getuid?.() !== 0) return "needs root, to unpack images";
  if (namespaces && spawnSync("unshare", ["--mount", "--net", "true"]).status !== 0) {
    return "needs leave to make namespaces (root with CAP_SYS_ADMIN)";
  }
  return undefined;
}

function isInstalled(program: string): boolean {
  const directories = `${process.env.PATH ?? ""}${delimiter}/usr/sbin${delimiter}/sbin`;
  return directories.split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
