import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Finished, RunningProgram, run } from "./process.ts";
import { ACCOUNT } from "./registry.ts";
import type { Scratch } from "./scratch.ts";

/**
 * A host on which docker is: a root directory of which dockerd sees `/etc`, and nothing of the machine's own
 * settings. What dockerd keeps outlives it there.
 */
export class DockerHost {
  readonly root: string;
  readonly #scratch: Scratch;
  #dockerd: RunningProgram | undefined;

  private constructor(scratch: Scratch, root: string) {
    this.#scratch = scratch;
    this.root = root;
  }

  static async create(scratch: Scratch, name: string): Promise<DockerHost> {
    const host = new DockerHost(scratch, await scratch.directory(name));
    await host.knows({ localhost: "127.0.0.1" });
    await scratch.directory(name, "etc/docker");
    // Whose the socket is to be.
    for (const file of ["passwd", "group"])
      await cp(`/etc/${file}`, join(host.root, "etc", file)).catch(() => {});
    return host;
  }

  /** Writes a file of the host. */
  async put(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.root, path)), { recursive: true });
    await writeFile(join(this.root, path), text);
  }

  /** @param names all host names that its resolver knows, with their addresses */
  knows(names: Readonly<Record<string, string>>): Promise<void> {
    const lines = Object.entries(names).map(([name, address]) => `${address} ${name}\n`);
    return this.put("etc/hosts", lines.join(""));
  }

  /** Starts dockerd as systemd does, in the environment of docker.service's drop-ins; ends the earlier one. */
  async restart(): Promise<void> {
    await this.#dockerd?.stop();
    const etc = `mount --bind "${this.root}/etc" /etc && mount -t tmpfs tmpfs /run && exec "$@"`;
    const dockerd = RunningProgram.start(
      this.#scratch,
      [
        ...["unshare", "--mount", "bash", "-c", etc, "bash"],
        ...["dockerd", `--host=${this.#socket}`, `--pidfile=${this.root}/dockerd.pid`],
        ...[`--data-root=${this.root}/docker`, `--exec-root=${this.root}/exec`],
        // Layers are unpacked, but no container runs: that wants no kernel module, and no network.
        ...["--storage-driver=vfs", "--bridge=none", "--iptables=false", "--ip6tables=false"],
      ],
      { env: await this.#environment() },
    );
    this.#dockerd = dockerd;
    await dockerd.until("it answers", async () => (await this.docker("version")).code === 0);
  }

  /** Runs `docker …`, as a user of this host. */
  docker(...args: string[]): Promise<Finished> {
    const env = { DOCKER_HOST: this.#socket, DOCKER_CONFIG: join(this.root, "user") };
    return run(this.#scratch, ["docker", ...args], { env });
  }

  /** `docker login` with the one account of a registry that wants credentials. */
  async logIn(registry: string): Promise<void> {
    const { user, password } = ACCOUNT;
    const said = await this.docker(
      "login",
      `--username=${user}`,
      `--password=${password}`,
      registry,
    );
    if (said.code !== 0) throw new Error(`docker login ${registry}: ${said.output}`);
  }

  get #socket(): string {
    return `unix://${this.root}/docker.sock`;
  }

  async #environment(): Promise<Record<string, string>> {
    const directory = join(this.root, "etc/systemd/system/docker.service.d");
    const names = await readdir(directory).catch(() => [] as string[]);
    const env: Record<string, string> = {};
    for (const name of names.sort()) {
      const text = await readFile(join(directory, name), "utf8");
      for (const [, key, value] of text.matchAll(/^Environment=(\w+)=(\S+)$/gm)) env[key!] = value!;
    }
    return env;
  }
}
