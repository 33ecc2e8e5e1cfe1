import type { Entries, FileView, Totals } from "../messages.ts";
import { bytes, counted, percent, rate, whole } from "./format.ts";
import { PieceMap } from "./piece_map.tsx";

/** The files that are on their way, and those lately so. */
export function Files(props: { files: Entries<FileView>; totals: Totals; address: string }) {
  const { totals, address } = props;
  const files = Object.entries(props.files).sort(
    ([, a], [, b]) => b.downloading - a.downloading || b.createdMs - a.createdMs,
  );
  return (
    <section id="files" aria-labelledby="files-title">
      <h2 id="files-title">
        Files <small>{whole(totals.files)}</small>
      </h2>
      {files.length === 0 ? (
        <p class="empty">
          Nothing is being distributed. Pull an image on a node whose{" "}
          <code>/etc/dragonfly/dfget.yml</code> names this supernode (
          <code>nodes: ["{address}:8002"]</code>), or preheat one <a href="#preheat">below</a>.
        </p>
      ) : (
        <>
          <p class="key" aria-hidden="true">
            <span class="cell none" /> nobody has it <span class="cell coming" /> being fetched from
            outside <span class="cell some" /> some nodes have it <span class="cell all" /> all have
            it
          </p>
          <table class="files">
            <thead>
              <tr>
                <th scope="col">File</th>
                <th scope="col" class="number">
                  Size
                </th>
                <th scope="col" class="number">
                  Nodes
                </th>
                <th scope="col" class="number">
                  Progress
                </th>
                <th scope="col" class="number">
                  Rate
                </th>
                <th scope="col">Who has which part</th>
              </tr>
            </thead>
            <tbody>
              {files.map(([id, file]) => (
                <File key={id} file={file} />
              ))}
            </tbody>
          </table>
        </>
      )}
      {totals.filesLeftOut > 0 && (
        <p class="quiet">
          {counted(totals.filesLeftOut, "more file")}, used less lately, not shown.
        </p>
      )}
    </section>
  );
}

function File({ file }: { file: FileView }) {
  const { name, host, digest, url, moreUrls, length, nodes, complete, downloading, failed } = file;
  const part = length > 0 && nodes > 0 ? file.held / (length * nodes) : nodes > 0 ? 1 : 0;
  return (
    <tr>
      <th scope="row" title={url}>
        <span class="name">{name}</span>
        <span class="quiet">
          {host} {digest}
          {moreUrls > 0 && ` and ${counted(moreUrls, "more URL")}`}
        </span>
      </th>
      <td class="number" data-label="Size">
        {length >= 0 ? bytes(length) : "unknown"}
      </td>
      <td class="number" data-label="Nodes">
        <span title={`${complete} have it, ${downloading} download, ${failed} failed`}>
          {whole(complete)}
          <span class="quiet"> of {whole(nodes)}</span>
        </span>
        {failed > 0 && <span class="bad"> {whole(failed)} failed</span>}
      </td>
      <td class="number" data-label="Progress">
        {percent(part)}
      </td>
      <td class="number" data-label="Rate">
        {downloading > 0 ? rate(file.rate) : <span class="quiet">–</span>}
      </td>
      <td class="map-cell">
        <PieceMap map={file.map} />
        {file.seeded !== undefined && (
          <span class="quiet">supernode's own copy: {percent(file.seeded)}</span>
        )}
        {file.seedFailed && <span class="bad">supernode's own copy failed</span>}
      </td>
    </tr>
  );
}
