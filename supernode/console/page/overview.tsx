import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import type { Point, Totals } from "../messages.ts";
import { Chart } from "./chart.tsx";
import { bytes, counted, percent, rate, whole } from "./format.ts";
import { ratesOf, savedOf } from "./series.ts";

interface OverviewProps {
  totals: Totals;
  history: readonly Point[];
  /** The supernode's clock. */
  nowMs: number;
}

/** The numbers that matter most, and how they came about over the last hour. */
export function Overview({ totals, history, nowMs }: OverviewProps) {
  const rates = useMemo(() => ratesOf(history), [history]);
  const saved = useMemo(() => savedOf(history, nowMs, totals), [history, totals]);
  const savedBytes = Math.max(0, totals.delivered - totals.egress);
  return (
    <section id="traffic" aria-labelledby="traffic-title">
      <h2 id="traffic-title">Traffic</h2>
      <dl class="figures">
        <Figure name="Delivered to nodes" value={bytes(totals.delivered)} exact={totals.delivered}>
          {rate(rates.delivered.at(-1) ?? 0)} now
        </Figure>
        <Figure
          name="Sent by registries"
          value={bytes(totals.egress)}
          exact={totals.egress}
          mark="registry"
        >
          {rate(rates.egress.at(-1) ?? 0)} now
        </Figure>
        <Figure name="Saved" value={bytes(savedBytes)} exact={savedBytes} mark="peer">
          {totals.delivered > 0
            ? `${percent(savedBytes / totals.delivered)} of what was delivered`
            : "nothing delivered yet"}
        </Figure>
        <Figure name="Nodes" value={whole(totals.nodes)}>
          {counted(totals.downloading, "download")} now
        </Figure>
        <Figure name="Files" value={whole(totals.files)}>
          {totals.problems === 0 ? "no problems" : counted(totals.problems, "problem")}
        </Figure>
      </dl>
      <div class="charts">
        <Chart
          title="Bytes a second"
          times={rates.times}
          series={[
            { name: "to nodes", color: "peer", values: rates.delivered },
            { name: "from registries", color: "registry", values: rates.egress },
          ]}
          format={rate}
        />
        <Chart
          title="Bytes saved"
          times={saved.times}
          series={[{ name: "since the start", color: "peer", values: saved.saved, area: true }]}
          format={bytes}
        />
      </div>
    </section>
  );
}

interface FigureProps {
  name: string;
  value: string;
  /** Bytes, to be shown in full on pointing. */
  exact?: number;
  mark?: "peer" | "registry";
  children: ComponentChildren;
}

function Figure({ name, value, exact, mark, children }: FigureProps) {
  return (
    <div>
      <dt class={mark ? `mark ${mark}` : ""}>{name}</dt>
      <dd title={exact === undefined ? undefined : `${whole(exact)} bytes`}>
        <strong>{value}</strong> <span class="quiet">{children}</span>
      </dd>
    </div>
  );
}
