import { lstat, readdir, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { isMissing } from "../../runtime/config_file.ts";
import { ControlError } from "../control_error.ts";
import type { Host } from "./plan.ts";

/** The files of this host, or of another root directory. */
export class HostFiles implements Host {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Where a path of the host is. */
  at(path: string): string {
    return join(this.#root, path);
  }

  /**
   * Where the bytes of a path of the host are: a link stays one, and what it leads to is written.
   *
   * @throws {ControlError} where a link leads out of this root
   */
  async target(path: string): Promise<string> {
    const place = this.at(path);
    const isLink = await lstat(place).then(
      (found) => found.isSymbolicLink(),
      () => false,
    );
    if (!isLink) return place;
    const target = await realpath(place).catch(() => undefined);
    const root = await realpath(this.#root);
    if (target === undefined)
      throw new ControlError(`${path} is a link that leads nowhere: take it away, or mend it`);
    if (root === "/" || target.startsWith(`${root}/`)) return target;
    throw new ControlError(
      `${path} is a link that leads out of ${this.#root}, to ${target}: change it there`,
    );
  }

  async read(path: string): Promise<string | undefined> {
    try {
      return await readFile(this.at(path), "utf8");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw new ControlError(`${path}: ${(error as Error).message}`);
    }
  }

  async list(path: string): Promise<string[]> {
    return (await readdir(this.at(path)).catch(() => [] as string[])).sort();
  }
}
