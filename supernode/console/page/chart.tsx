import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { clock } from "./format.ts";

export interface Series {
  name: string;
  /** A custom property of the style sheet, without its dashes. */
  color: string;
  values: readonly number[];
  area?: boolean;
}

export interface ChartProps {
  title: string;
  /** Seconds since the epoch. */
  times: readonly number[];
  series: readonly Series[];
  format(value: number): string;
}

const HEIGHT = 150;
const DARK = matchMedia("(prefers-color-scheme: dark)");

/** A chart over time, with a legend that tells the values under the pointer, or else the last ones. */
export function Chart({ title, times, series, format }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const [pointed, setPointed] = useState<number | null>(null);
  const data = [times, ...series.map(({ values }) => values)] as unknown as uPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const box = place.current!;
    const draw = () => {
      plot.current?.destroy();
      const options = optionsFor(box, series, format, setPointed);
      plot.current = new uPlot(options, latest.current, box);
    };
    draw();
    const resized = new ResizeObserver(() =>
      plot.current?.setSize({ width: box.clientWidth, height: HEIGHT }),
    );
    resized.observe(box);
    DARK.addEventListener("change", draw);
    return () => {
      resized.disconnect();
      DARK.removeEventListener("change", draw);
      plot.current?.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData(data), [times]);

  const at = pointed !== null && pointed < times.length ? pointed : times.length - 1;
  const told = series.map(({ name, values }) => `${name} ${format(values[at] ?? 0)}`).join(", ");
  return (
    <figure>
      <figcaption>
        <strong>{title}</strong>
        <span class="legend">
          {series.map(({ name, color, values }) => (
            <span key={name} class={`mark ${color}`}>
              {name} <b>{format(values[at] ?? 0)}</b>
            </span>
          ))}
          <span class="quiet">
            {pointed !== null && times[at] ? clock(times[at] * 1000) : "now"}
          </span>
        </span>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={`${title}, last value: ${told}`} />
    </figure>
  );
}

function optionsFor(
  box: HTMLElement,
  series: readonly Series[],
  format: (value: number) => string,
  onPoint: (index: number | null) => void,
): uPlot.Options {
  const style = getComputedStyle(box);
  const color = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const axis: uPlot.Axis = {
    stroke: color("quiet"),
    grid: { stroke: color("line"), width: 1 },
    ticks: { show: false },
    font: `11px ${style.fontFamily}`,
  };
  return {
    width: box.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    // Room for half of the last time below the axis, which stands under the end of the line.
    padding: [8, 30, 0, 0],
    scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1000] } },
    axes: [
      {
        ...axis,
        size: 26,
        space: 80,
        values: (plot, times) => {
          const { min = 0, max = 0 } = plot.scales.x ?? {};
          const withSeconds = (max ?? 0) - (min ?? 0) < 5 * 60;
          return times.map((time) => clock(time * 1000, withSeconds));
        },
      },
      { ...axis, size: 72, space: 34, values: (_plot, values) => values.map(format) },
    ],
    series: [
      {},
      ...series.map(({ name, color: property, area }) => ({
        label: name,
        stroke: color(property),
        width: 1.5,
        points: { show: false },
        ...(area ? { fill: `color-mix(in srgb, ${color(property)} 16%, transparent)` } : {}),
      })),
    ],
    hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? null)] },
  };
}
