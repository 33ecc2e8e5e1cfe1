import type { LineSeriesOption } from "echarts/charts";
import { LineChart } from "echarts/charts";
import type {
  GridComponentOption,
  LegendComponentOption,
  TitleComponentOption,
} from "echarts/components";
import { GridComponent, LegendComponent, TitleComponent } from "echarts/components";
import { type ComposeOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);

export type ChartOption = ComposeOption<
  LineSeriesOption | GridComponentOption | LegendComponentOption | TitleComponentOption
>;

const SIZE = { width: 900, height: 460 };

/** What all our charts have. */
export function frame(title: string): ChartOption {
  return {
    animation: false,
    title: { text: title, left: "center", textStyle: { fontSize: 15 } },
    legend: { bottom: 5, orient: "horizontal", textStyle: { fontSize: 11 }, itemGap: 8 },
    backgroundColor: "#fff",
  };
}

/** @param marks show the points of the curve */
export function line(name: string, data: number[][], marks = false): LineSeriesOption {
  return { type: "line", name, data, showSymbol: marks, lineStyle: { width: 2 } };
}

/** A chart as SVG. */
export function draw(option: ChartOption): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, ...SIZE });
  chart.setOption(option);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}
