import type { PieceLayout } from "../../protocol/piece_range.ts";
import { freeBytes } from "../../runtime/files.ts";
import { DownloadError } from "../contract.ts";
import { TaskFile } from "../store/task_file.ts";
import type { DownloadPlan } from "./download_plan.ts";

/** Free disk space that a download leaves, bytes. */
const SPARE_BYTES = 16 * 1024 * 1024;

/**
 * The file that a download fills.
 *
 * @param taskId what the supernode calls it, or we do
 * @throws {DownloadError} with the code `ENOSPC` where the disk has no room for it
 */
export async function createFile(
  plan: DownloadPlan,
  layout: PieceLayout,
  taskId: string,
): Promise<TaskFile> {
  const file = await TaskFile.create(plan.path, {
    version: 1,
    key: plan.key,
    taskId,
    cid: plan.identity.cid,
    supernode: "",
    name: plan.name,
    length: layout.length,
    pieceSize: layout.pieceSize,
    framed: layout.framed,
    pieces: [],
    verified: false,
    touchedMs: Date.now(),
  });
  if (layout.length <= 0) return file;
  const free = await freeBytes(plan.path).catch(() => Number.POSITIVE_INFINITY);
  if (free >= layout.length + SPARE_BYTES) return file;
  await file.remove();
  throw Object.assign(
    new DownloadError(
      `no space left for ${layout.length} bytes: ${free} are free at ${plan.path}, ${SPARE_BYTES} of them to be left`,
    ),
    { code: "ENOSPC" },
  );
}
