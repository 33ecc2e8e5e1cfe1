import { useEffect, useRef, useState } from "preact/hooks";
import { inWords } from "./map_in_words.ts";

const COLUMNS = 64;
const ROW_HEIGHT = 7;
const DARK = matchMedia("(prefers-color-scheme: dark)");

/** Who has which part of a file, as a picture: see `FileView.map`. */
export function PieceMap({ map }: { map: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const isDark = useDark();
  const rows = Math.max(1, Math.ceil(map.length / COLUMNS));
  const height = rows === 1 ? 2 * ROW_HEIGHT : rows * ROW_HEIGHT;

  useEffect(() => {
    const resized = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 0));
    resized.observe(canvas.current!);
    return () => resized.disconnect();
  }, []);
  useEffect(() => {
    if (canvas.current && width > 0) draw(canvas.current, map, { width, height, rows });
  }, [map, width, height, isDark]);

  return (
    <canvas
      ref={canvas}
      class="map"
      style={{ height: `${height}px` }}
      role="img"
      aria-label={inWords(map)}
    />
  );
}

function draw(
  canvas: HTMLCanvasElement,
  map: string,
  { width, height, rows }: { width: number; height: number; rows: number },
): void {
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  if (!context) return;
  const style = getComputedStyle(canvas);
  const color = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const colors = { nobody: color("hollow"), coming: color("registry"), held: color("peer") };
  const columns = rows === 1 ? Math.max(1, map.length) : COLUMNS;
  const cellWidth = canvas.width / columns;
  const cellHeight = canvas.height / rows;
  const gap = cellWidth > 4 * scale ? scale : cellWidth > 2 * scale ? scale / 2 : 0;
  for (const [index, cell] of [...map].entries()) {
    const left = Math.round((index % columns) * cellWidth);
    const right = Math.round(((index % columns) + 1) * cellWidth);
    const top = Math.round(Math.floor(index / columns) * cellHeight);
    const bottom = Math.round((Math.floor(index / columns) + 1) * cellHeight);
    const box = [left, top, right - left - gap, bottom - top - (rows > 1 ? scale : 0)] as const;
    context.globalAlpha = 1;
    context.fillStyle = colors.nobody;
    context.fillRect(...box);
    if (cell === ".") continue;
    context.globalAlpha = cell === "~" ? 1 : 0.25 + (0.75 * Number(cell)) / 9;
    context.fillStyle = cell === "~" ? colors.coming : colors.held;
    context.fillRect(...box);
  }
}

function useDark(): boolean {
  const [isDark, setDark] = useState(DARK.matches);
  useEffect(() => {
    const changed = () => setDark(DARK.matches);
    DARK.addEventListener("change", changed);
    return () => DARK.removeEventListener("change", changed);
  }, []);
  return isDark;
}
