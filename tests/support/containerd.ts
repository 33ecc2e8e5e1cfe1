import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Finished, RunningProgram, run, runWell } from "./process.ts";
import type { Scratch } from "./scratch.ts";

export interface MirrorPull {
  /** The registry as the image's reference names it. */
  host: string;
  /** Repository and tag. */
  image: string;
  /** URL of the mirror. */
  mirror: string;
  /** File with the authority of the mirror's certificate. */
  ca: string;
}

/** A containerd process with root, state and socket of its own. */
export class Containerd {
  readonly #scratch: Scratch;
  readonly #name: string;
  readonly #socket: string;

  private constructor(scratch: Scratch, name: string, socket: string) {
    this.#scratch = scratch;
    this.#name = name;
    this.#socket = socket;
  }

  static async start(scratch: Scratch, name: string): Promise<Containerd> {
    const directory = await scratch.directory(name);
    const socket = join(directory, "containerd.sock");
    const config = join(directory, "config.toml");
    await writeFile(
      config,
      `version = 2
root = "${join(directory, "root")}"
state = "${join(directory, "state")}"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "${socket}"
[ttrpc]
  address = "${socket}.ttrpc"
`,
    );
    const process = RunningProgram.start(scratch, ["containerd", "--config", config]);
    const containerd = new Containerd(scratch, name, socket);
    await process.until("it answers", async () => (await containerd.#ctr("version")).code === 0);
    return containerd;
  }

  /** Pulls and unpacks an image by a mirror of its registry. */
  async pull({ host, image, mirror, ca }: MirrorPull): Promise<Finished> {
    const hosts = await this.#scratch.directory(this.#name, "hosts");
    const directory = await this.#scratch.directory(this.#name, "hosts", host);
    await writeFile(
      join(directory, "hosts.toml"),
      `server = "https://${host}"
[host."${mirror}"]
  capabilities = ["pull", "resolve"]
  ca = "${ca}"
`,
    );
    return this.pullBy(hosts, `${host}/${image}`);
  }

  /** Pulls and unpacks an image, with the mirrors that a directory names. */
  pullBy(hosts: string, image: string): Promise<Finished> {
    return this.#ctr(
      "images",
      "pull",
      "--hosts-dir",
      hosts,
      // Needs no kernel module, as overlayfs would.
      "--snapshotter",
      "native",
      image,
    );
  }

  /** The images that are whole and unpacked, as reference and manifest digest. */
  async images(): Promise<string> {
    return (await this.#must("images", "ls")).stdout.toString();
  }

  /** Whether the content store holds a blob; it verifies what it takes in. */
  async holds(digest: string): Promise<boolean> {
    return (await this.#must("content", "ls", "--quiet")).stdout.toString().includes(digest);
  }

  #ctr(...args: string[]): Promise<Finished> {
    return run(this.#scratch, ["ctr", "--address", this.#socket, ...args]);
  }

  #must(...args: string[]): Promise<Finished> {
    return runWell(this.#scratch, ["ctr", "--address", this.#socket, ...args]);
  }
}
