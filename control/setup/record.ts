import { createHash } from "node:crypto";
import { chmod, chown, mkdir, readFile, rm, rmdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import * as z from "zod";
import { isMissing } from "../../runtime/config_file.ts";
import { writeFileAtomically } from "../../runtime/files.ts";
import { ControlError } from "../control_error.ts";
import type { Change } from "./changes.ts";
import type { HostFiles } from "./host_files.ts";

/** Where it is kept what stood before a set-up. */
const RECORDS = "/var/lib/dragonfly-dfctl/setup";
/** Of files that are not there yet. */
const USUAL_MODE = 0o644;

const fileSchema = z.object({
  path: z.string(),
  /** What stood there, in base64; `null`: nothing. */
  before: z.string().nullable(),
  mode: z.number(),
  uid: z.number(),
  gid: z.number(),
  /** sha256 of what was written, in hex. */
  after: z.string(),
});
const recordSchema = z.object({
  files: z.array(fileSchema),
  /** Directories that were made, the outer ones first. */
  directories: z.array(z.string()),
});
type RecordedFile = z.infer<typeof fileSchema>;
type SetupRecord = z.infer<typeof recordSchema>;

/** What a set-up has changed on a host: written before the change, so that it can always be taken back. */
export class Recorder {
  readonly #host: HostFiles;
  readonly #path: string;

  /** @param name of the set-up */
  constructor(host: HostFiles, name: string) {
    this.#host = host;
    this.#path = `${RECORDS}/${name}.json`;
  }

  /**
   * What there is to be taken back, as changes.
   *
   * @param force also where a file is not any more as it was written
   * @throws {ControlError} where there is nothing, or a file was changed since
   */
  async toUndo(force: boolean): Promise<Change[]> {
    const record = await this.#read();
    if (!record)
      throw new ControlError("nothing to take back: this was not set up by dfctl on this host");
    const changed: string[] = [];
    const changes: Change[] = [];
    for (const file of record.files) {
      const bytes = await this.#bytes(file.path);
      const original = file.before === null ? undefined : Buffer.from(file.before, "base64");
      if (bytes === undefined && original === undefined) continue;
      if (bytes && original && bytes.equals(original)) continue;
      if (bytes === undefined || sha256(bytes) !== file.after) changed.push(file.path);
      changes.push({
        path: file.path,
        before: bytes?.toString("utf8"),
        after: original?.toString("utf8"),
      });
    }
    if (changed.length > 0 && !force)
      throw new ControlError(
        `${changed.join(", ")}: changed since dfctl wrote it; --force puts back what stood before all the same`,
      );
    return changes;
  }

  /** Gives back what stood before, byte for byte, and forgets about it. */
  async undo(): Promise<void> {
    const record = await this.#read();
    if (!record) return;
    for (const { path, before, mode, uid, gid } of record.files) {
      if (before === null) {
        await this.#remove(path);
        continue;
      }
      const original = Buffer.from(before, "base64");
      // It may not have come to be changed, because it cannot be.
      if ((await this.#bytes(path))?.equals(original)) continue;
      await this.#write(path, original, { mode, uid, gid });
    }
    for (const directory of [...record.directories].reverse()) {
      // Somebody may have put something into it.
      await rmdir(this.#host.at(directory)).catch(() => {});
    }
    await this.#remove(this.#path);
  }

  /**
   * Makes changes, and keeps what stood before. Where one of them cannot be made, none is: what had been written is
   * taken back.
   *
   * @throws {ControlError} where a file was changed since it was set up last, or cannot be written
   */
  async apply(changes: readonly Change[], force: boolean): Promise<void> {
    const earlier = await this.#read();
    const record: SetupRecord = earlier ?? { files: [], directories: [] };
    for (const { path, after } of changes) {
      const known = record.files.find((file) => file.path === path);
      const bytes = await this.#bytes(path);
      const written = sha256(Buffer.from(after ?? ""));
      if (!known) {
        record.files.push(await this.#describe(path, bytes, written));
        record.directories.push(...(await this.#missingDirectories(path, record.directories)));
        continue;
      }
      const isOurs = bytes !== undefined && sha256(bytes) === known.after;
      if (!isOurs && bytes !== undefined && !force)
        throw new ControlError(
          `${path}: changed since dfctl wrote it; take it back first (--undo --force), or give --force`,
        );
      known.after = written;
    }
    // It holds what other files hold, and these may be for their owner only.
    await this.#write(this.#path, Buffer.from(`${JSON.stringify(record)}\n`), { mode: 0o600 });
    try {
      for (const { path, after } of changes) {
        if (after === undefined) await this.#remove(path);
        else {
          const file = record.files.find((one) => one.path === path)!;
          await this.#write(path, Buffer.from(after), file);
        }
      }
    } catch (error) {
      // The first error is the one to be told of; the record stays where this fails, too.
      if (!earlier) await this.undo().catch(() => {});
      throw error;
    }
  }

  async #describe(path: string, bytes: Buffer | undefined, after: string): Promise<RecordedFile> {
    const { mode, uid, gid } = await stat(this.#host.at(path)).catch(() => ({
      mode: USUAL_MODE,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
    }));
    const before = bytes === undefined ? null : bytes.toString("base64");
    return { path, before, mode: mode & 0o7777, uid, gid, after };
  }

  async #missingDirectories(path: string, known: readonly string[]): Promise<string[]> {
    const missing: string[] = [];
    for (let directory = dirname(path); directory !== "/"; directory = dirname(directory)) {
      const isThere = await stat(this.#host.at(directory)).then(
        () => true,
        () => false,
      );
      if (isThere || known.includes(directory)) break;
      missing.unshift(directory);
    }
    return missing;
  }

  async #write(
    path: string,
    bytes: Uint8Array,
    { mode, uid, gid }: Pick<RecordedFile, "mode"> & Partial<RecordedFile>,
  ): Promise<void> {
    await this.#attempt(path, async () => {
      for (const directory of await this.#missingDirectories(path, []))
        await mkdir(this.#host.at(directory));
      const place = await this.#host.target(path);
      await writeFileAtomically(place, bytes);
      await chmod(place, mode);
      if (uid !== undefined && gid !== undefined && process.getuid?.() === 0)
        await chown(place, uid, gid);
    });
  }

  #remove(path: string): Promise<void> {
    return this.#attempt(path, () => rm(this.#host.at(path), { force: true }));
  }

  async #attempt(path: string, change: () => Promise<void>): Promise<void> {
    try {
      await change();
    } catch (error) {
      if (error instanceof ControlError) throw error;
      throw new ControlError(`${path}: ${whyNotWritten(error as NodeJS.ErrnoException)}`);
    }
  }

  async #bytes(path: string): Promise<Buffer | undefined> {
    return readFile(this.#host.at(path)).catch((error: Error) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
  }

  async #read(): Promise<SetupRecord | undefined> {
    const text = await this.#host.read(this.#path);
    if (text === undefined) return undefined;
    try {
      return recordSchema.parse(JSON.parse(text));
    } catch {
      throw new ControlError(
        `${this.#path}: cannot be read: what stood before is not known any more`,
      );
    }
  }
}

function whyNotWritten({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case "EROFS":
      return "its file system is read-only: mount it for writing, or make this change where its image is made (--root)";
    case "EACCES":
    case "EPERM":
      return process.getuid?.() === 0
        ? "not permitted to write it, not even as root: it may be immutable (lsattr)"
        : "not permitted to write it: run this as root";
    default:
      return message;
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
