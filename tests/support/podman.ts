import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Finished, run } from "./process.ts";
import type { Scratch } from "./scratch.ts";

/** Podman with storage and configuration of its own. */
export class Podman {
  readonly #scratch: Scratch;
  readonly #directory: string;
  readonly #env: Record<string, string>;
  /** What it is started by, such as `nsenter …`. */
  readonly #prefix: readonly string[];

  private constructor(scratch: Scratch, directory: string, prefix: readonly string[]) {
    this.#prefix = prefix;
    this.#scratch = scratch;
    this.#directory = directory;
    this.#env = {
      CONTAINERS_CONF: join(directory, "containers.conf"),
      CONTAINERS_REGISTRIES_CONF: join(directory, "registries.conf"),
      CONTAINERS_STORAGE_CONF: join(directory, "storage.conf"),
      TMPDIR: directory,
      XDG_RUNTIME_DIR: directory,
    };
  }

  /**
   * @param host the registry as images name it
   * @param mirror `host:port` of its mirror, which pulls are tried at first
   */
  static async create(
    scratch: Scratch,
    name: string,
    host: string,
    mirror: string,
  ): Promise<Podman> {
    return Podman.configured(
      scratch,
      name,
      `[[registry]]
location = "${host}"
[[registry.mirror]]
location = "${mirror}"
`,
    );
  }

  /**
   * @param registries what stands in its registries.conf
   * @param prefix what it is started by, such as `nsenter …`
   */
  static async configured(
    scratch: Scratch,
    name: string,
    registries: string,
    prefix: readonly string[] = [],
  ): Promise<Podman> {
    const directory = await scratch.directory(name);
    const podman = new Podman(scratch, directory, prefix);
    await writeFile(join(directory, "registries.conf"), registries);
    await writeFile(
      join(directory, "storage.conf"),
      `[storage]
driver = "vfs"
graphroot = "${join(directory, "root")}"
runroot = "${join(directory, "run")}"
`,
    );
    await writeFile(
      join(directory, "containers.conf"),
      `[engine]
events_logger = "none"
tmp_dir = "${join(directory, "tmp")}"
`,
    );
    await writeFile(
      join(directory, "policy.json"),
      '{"default":[{"type":"insecureAcceptAnything"}]}',
    );
    return podman;
  }

  /** @param trust directory with the authority of the mirror's certificate, as `ca.crt` */
  pull(image: string, trust: string): Promise<Finished> {
    const policy = join(this.#directory, "policy.json");
    return this.#podman(
      "pull",
      "--quiet",
      `--signature-policy=${policy}`,
      `--cert-dir=${trust}`,
      image,
    );
  }

  /** The manifest digest of a pulled image. */
  async digest(image: string): Promise<string> {
    const inspected = await this.#podman("image", "inspect", "--format={{.Digest}}", image);
    return inspected.stdout.toString().trim();
  }

  #podman(...args: string[]): Promise<Finished> {
    return run(this.#scratch, [...this.#prefix, "podman", ...args], { env: this.#env });
  }
}
