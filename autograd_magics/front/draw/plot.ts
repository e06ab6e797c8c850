/** A leaf over its story: `.grad` and value, as `views/plot.py` placed them, and each line in words below. */
import { h, s } from "../dom";
import type { Plot } from "../payload";

const SAMPLE = { width: 26, height: 8, "aria-hidden": "true" };

export function drawPlot({ width, height, axes, faint, lines, texts }: Plot): HTMLElement {
  const svg = s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    ...axes.map((d) => s("path", { class: "axis", d })),
    ...faint.map((d) => s("path", { class: "faint", d })),
    ...lines.map(({ d, dash }) => s("path", { class: `curve c${dash}`, d })),
    ...texts.map(({ x, y, text, end }) => s("text", { x, y, "text-anchor": end ? "end" : "start" }, text)),
  );
  const said = lines.map(({ label, dash, sample: d = "M1 4H25" }) => {
    const sample = s("svg", SAMPLE, s("path", { class: `curve c${dash}`, d }));
    return h("li", null, sample, h("span", null, label));
  });
  return h("figure", { class: "plot" }, svg, h("figcaption", null, h("ul", null, ...said)));
}
