import type { DownloadSummary } from "../contract.ts";
import type { Download } from "../download/download.ts";

/** Tells the supernode how a download went, for its metrics; nobody waits for the answer. */
export function reportSummary(
  download: Download,
  summary: DownloadSummary | undefined,
  self: { ip: string; port: number },
): void {
  const { membership, plan, reason } = download;
  membership?.supernode
    .reportMetrics({
      IP: self.ip,
      cID: membership.cid,
      callSystem: plan.identity.callSystem ?? "",
      backsourceReason: String(reason),
      duration: summary?.seconds ?? 0,
      fileLength: summary?.length ?? 0,
      port: self.port,
      success: summary !== undefined,
      taskId: membership.taskId,
    })
    .catch(() => {});
}
