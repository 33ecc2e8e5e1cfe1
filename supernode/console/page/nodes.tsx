import { useState } from "preact/hooks";
import type { Entries, NodeState, NodeView, Totals } from "../messages.ts";
import { counted, duration, rate, whole } from "./format.ts";

type Column = "host" | "state" | "downRate" | "upRate" | "downloading" | "complete" | "seenMs";

const COLUMNS: readonly { name: Column; title: string; isNumber: boolean }[] = [
  { name: "host", title: "Node", isNumber: false },
  { name: "state", title: "State", isNumber: false },
  { name: "downRate", title: "Down", isNumber: true },
  { name: "upRate", title: "Up", isNumber: true },
  { name: "downloading", title: "Downloads", isNumber: true },
  { name: "complete", title: "Has", isNumber: true },
  { name: "seenMs", title: "Heard of", isNumber: true },
];
/** From bad to good. */
const STATES: readonly NodeState[] = ["failing", "silent", "slow", "downloading", "idle"];
const ROWS_AT_FIRST = 25;

/** The nodes, the troubled ones first unless asked for otherwise. */
export function Nodes(props: { nodes: Entries<NodeView>; totals: Totals; nowMs: number }) {
  const { totals, nowMs } = props;
  const [sort, setSort] = useState<{ by: Column; down: boolean }>({ by: "state", down: false });
  const [filter, setFilter] = useState("");
  const [all, setAll] = useState(false);
  const wanted = filter.trim().toLowerCase();
  const found = Object.entries(props.nodes)
    .filter(([, node]) => `${node.host} ${node.ip}:${node.port} ${node.state}`.includes(wanted))
    .sort(([, a], [, b]) => (sort.down ? -1 : 1) * compare(a, b, sort.by) || compare(a, b, "host"));
  const shown = all ? found : found.slice(0, ROWS_AT_FIRST);
  return (
    <section id="nodes" aria-labelledby="nodes-title">
      <div class="title-row">
        <h2 id="nodes-title">
          Nodes <small>{whole(totals.nodes)}</small>
        </h2>
        {totals.nodes > 0 && (
          <label class="filter">
            Find{" "}
            <input
              type="search"
              value={filter}
              placeholder="name, address or state"
              onInput={({ currentTarget }) => setFilter(currentTarget.value)}
            />
          </label>
        )}
      </div>
      {totals.nodes === 0 ? (
        <p class="empty">
          No node has come yet. A node registers with its first download; see that port 8002 is open
          to it, and what <code>dfdaemon</code> says in its log.
        </p>
      ) : (
        <table class="nodes">
          <thead>
            <tr>
              {COLUMNS.map(({ name, title, isNumber }) => (
                <th
                  key={name}
                  scope="col"
                  class={isNumber ? "number" : ""}
                  aria-sort={
                    sort.by === name ? (sort.down ? "descending" : "ascending") : undefined
                  }
                >
                  <button
                    type="button"
                    onClick={() =>
                      setSort({ by: name, down: sort.by === name ? !sort.down : isNumber })
                    }
                  >
                    {title}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map(([id, node]) => (
              <Row key={id} node={node} nowMs={nowMs} />
            ))}
          </tbody>
        </table>
      )}
      {totals.nodes > 0 && found.length === 0 && (
        <p class="empty">No node is called, or is, “{filter}”.</p>
      )}
      {found.length > ROWS_AT_FIRST && (
        <button type="button" onClick={() => setAll(!all)}>
          {all ? `Show ${ROWS_AT_FIRST} only` : `Show all ${whole(found.length)}`}
        </button>
      )}
      {totals.nodesLeftOut > 0 && (
        <p class="quiet">{counted(totals.nodesLeftOut, "more node")}, idle ones, not shown.</p>
      )}
    </section>
  );
}

function Row({ node, nowMs }: { node: NodeView; nowMs: number }) {
  const { host, ip, port, version, state, why } = node;
  return (
    <tr>
      <th scope="row">
        <span class="name">{host || ip}</span>
        <span class="quiet">
          {ip}
          {port > 0 ? `:${port}` : ", serves nobody"} {version}
        </span>
      </th>
      <td data-label="State">
        <span class={`badge ${state}`}>{state}</span>
        {why && <span class="why quiet">{why}</span>}
      </td>
      <td class="number" data-label="Down">
        {rate(node.downRate)}
      </td>
      <td class="number" data-label="Up">
        {rate(node.upRate)}
      </td>
      <td class="number" data-label="Downloads">
        {whole(node.downloading)}
      </td>
      <td class="number" data-label="Has">
        {counted(node.complete, "file")}
      </td>
      <td class="number" data-label="Heard of">
        {duration(nowMs - node.seenMs)} ago
      </td>
    </tr>
  );
}

function compare(a: NodeView, b: NodeView, by: Column): number {
  if (by === "state") return STATES.indexOf(a.state) - STATES.indexOf(b.state);
  if (by === "host")
    return a.host.localeCompare(b.host, "en", { numeric: true }) || compareText(a.ip, b.ip);
  return a[by] - b[by];
}

function compareText(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
