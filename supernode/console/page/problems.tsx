import type { Entries, ProblemView } from "../messages.ts";
import { clock, duration, whole } from "./format.ts";

interface ProblemsProps {
  problems: Entries<ProblemView>;
  total: number;
  nowMs: number;
}

/** What went wrong lately, the latest first. */
export function Problems({ problems, total, nowMs }: ProblemsProps) {
  const latest = Object.entries(problems).sort(([, a], [, b]) => b.atMs - a.atMs);
  return (
    <section id="problems" aria-labelledby="problems-title">
      <h2 id="problems-title">
        Problems <small>{whole(total)}</small>
      </h2>
      {latest.length === 0 ? (
        <p class="empty">Nothing has gone wrong since the supernode started.</p>
      ) : (
        <table class="problems">
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">What</th>
              <th scope="col">Node</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {latest.map(([id, { atMs, kind, node, text, count }]) => (
              <tr key={id}>
                <td data-label="When" class="nowrap">
                  <time dateTime={new Date(atMs).toISOString()}>{clock(atMs)}</time>{" "}
                  <span class="quiet">{duration(nowMs - atMs)} ago</span>
                </td>
                <th scope="row">
                  {kind}
                  {count > 1 && <span class="quiet"> {whole(count)} times</span>}
                </th>
                <td data-label="Node">{node || <span class="quiet">–</span>}</td>
                <td class="text">{text}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
