import { readdir, readFile } from "node:fs/promises";
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
