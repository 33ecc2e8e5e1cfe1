import Table from "cli-table3";

/** How one node's pull went. */
export interface NodeRow {
  name: string;
  address: string;
  seconds: number;
  /** Bytes. */
  fromPeers: number;
  /** Bytes. */
  fromRegistry: number;
  /** Digests that were right, of all. */
  verified: number;
  digests: number;
}

/** What the registry did for all nodes together. */
export interface Egress {
  /** Body bytes it sent. */
  sent: number;
  /** Bytes of the image, manifest and config included. */
  image: number;
  nodes: number;
}

/** What the registry may send at most, as a multiple of the image. */
export const EGRESS_LIMIT = 1.05;

/** The registry's egress as a multiple of the image. */
export function egressFactor(egress: Egress): number {
  return egress.sent / egress.image;
}

/** Why the run did not show what it should; `undefined` where it did. */
export function verdict(rows: readonly NodeRow[], egress: Egress): string | undefined {
  const wrong = rows.filter((row) => row.digests === 0 || row.verified < row.digests);
  if (wrong.length > 0) {
    return `wrong bytes on ${wrong.map((row) => row.name).join(", ")}: a digest did not verify`;
  }
  if (egressFactor(egress) > EGRESS_LIMIT) {
    return `the registry sent ${egressFactor(egress).toFixed(3)} times the image, more than ${EGRESS_LIMIT}`;
  }
  return undefined;
}

/** The table that the demo ends with, and the registry's account below it. */
export function renderTable(rows: readonly NodeRow[], egress: Egress): string {
  const table = new Table({
    head: ["node", "address", "seconds", "MB from peers", "MB from registry", "digests verified"],
    colAligns: ["left", "left", "right", "right", "right", "right"],
    style: { head: [], border: [] },
    chars: { mid: "", "left-mid": "", "mid-mid": "", "right-mid": "" },
  });
  for (const row of rows) {
    table.push([
      row.name,
      row.address,
      row.seconds.toFixed(2),
      megabytes(row.fromPeers),
      megabytes(row.fromRegistry),
      `${row.verified}/${row.digests}`,
    ]);
  }
  return [
    table.toString(),
    `The registry sent ${megabytes(egress.sent)} MB: ${egressFactor(egress).toFixed(2)} times the image of ${megabytes(egress.image)} MB.`,
    `Without p2p it would have been ${egress.nodes.toFixed(2)} times.`,
  ].join("\n");
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
