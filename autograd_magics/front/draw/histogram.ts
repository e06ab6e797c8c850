/** Charts of a larger tensor's values: a histogram, and a heat map of means.  Each is one picture with a sentence. */
import { h, s, type Child } from "../dom";
import type { Chart } from "../payload";

const WIDTH = 240;
const HEIGHT = 64;
/** The least height of a bar that stands for anything at all, in px. */
const LEAST = 1.5;
const SHADES = 8;
/** Cells are drawn this large where there are few, in px; many are as wide as a histogram. */
const CELL = 22;

export function drawCharts(charts: Chart[] | undefined): Child {
  return charts && h("div", { class: "charts" }, ...charts.map(drawChart));
}

function drawChart(chart: Chart): HTMLElement {
  const picture = chart.kind === "bins" ? bars(chart.bins) : cells(chart.cells);
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", chart.said);
  picture.append(s("title", null, chart.said));
  const scale = chart.kind === "bins" ? h("span", { class: "axis" }) : colours(chart.ends);
  const ends = h("div", { class: "ends-of-scale m" }, h("span", null, chart.low), scale, h("span", null, chart.high));
  return h("figure", { class: `chart is-${chart.kind}` }, h("figcaption", null, chart.title), picture, ends);
}

function bars(bins: number[]): SVGSVGElement {
  const most = Math.max(...bins, 1);
  const step = WIDTH / Math.max(bins.length, 1);
  const drawn = bins.map((count, i) => {
    const height = count === 0 ? 0 : Math.max(LEAST, (count / most) * HEIGHT);
    const x = (i * step + 0.5).toFixed(2);
    return s("rect", { class: "bar-of", x, y: HEIGHT - height, width: (step - 1).toFixed(2), height });
  });
  const base = s("path", { class: "base", d: `M0 ${HEIGHT + 0.5}H${WIDTH}` });
  return s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + 1}`, width: WIDTH, height: HEIGHT + 1 }, ...drawn, base);
}

function cells(rows: (number | null)[][]): SVGSVGElement {
  const columns = Math.max(...rows.map((row) => row.length), 1);
  const size = Math.min(CELL, WIDTH / Math.max(columns, rows.length));
  const drawn = rows.flatMap((row, i) => row.map((shade, j) => cell(shade, j * size, i * size, size)));
  const [width, height] = [columns * size, rows.length * size];
  return s("svg", { viewBox: `0 0 ${width} ${height}`, width, height }, ...drawn);
}

/** One block; a cross where there is no value. */
function cell(shade: number | null, x: number, y: number, size: number): SVGElement {
  if (shade === null) return s("path", { class: "void", d: `M${x} ${y}l${size} ${size}m0 ${-size}l${-size} ${size}` });
  return s("rect", { ...look(shade), x, y, width: size, height: size });
}

function look(shade: number): { class: string; "fill-opacity": string } {
  const kind = shade < 0 ? "cell below" : "cell above";
  return { class: kind, "fill-opacity": (Math.abs(shade) / SHADES).toFixed(3) };
}

/** From the lowest shade to the highest. */
function colours([low, high]: [number, number]): SVGSVGElement {
  const shades = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  const step = 100 / shades.length;
  const drawn = shades.map((shade, i) => s("rect", { ...look(shade), x: i * step, y: 0, width: step, height: 8 }));
  const frame = { class: "axis", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" };
  return s("svg", frame, ...drawn);
}
