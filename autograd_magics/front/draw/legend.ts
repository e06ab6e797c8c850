/** What the shapes mean: one line under the graph, only with what the picture has. */
import type { Context } from "../context";
import { h, s, type Props } from "../dom";
import type { Box, Picture } from "../payload";
import { pictureOf } from "../picture";

type Entry = { key: string; style: Box["style"]; tag: "circle" | "rect"; shape: Props };

const PILL: Props = { x: 1.5, y: 2.5, width: 23, height: 11, rx: 5.5 };
const PLATE: Props = { x: 3.5, y: 2.5, width: 19, height: 11, rx: 3 };
const CIRCLE: Props = { cx: 13, cy: 8, r: 6 };
const ENTRIES: Entry[] = [
  { key: "ui.legend_leaf", style: "leaf", tag: "rect", shape: PILL },
  { key: "ui.legend_input", style: "input", tag: "rect", shape: PILL },
  { key: "ui.legend_call", style: "call", tag: "circle", shape: CIRCLE },
  { key: "ui.legend_node", style: "node", tag: "rect", shape: PLATE },
  { key: "ui.legend_accumulate", style: "accumulate", tag: "rect", shape: PILL },
  { key: "ui.legend_result", style: "result", tag: "rect", shape: PLATE },
  { key: "ui.legend_cut", style: "cut", tag: "circle", shape: CIRCLE },
  { key: "ui.legend_failed", style: "failed", tag: "circle", shape: CIRCLE },
  { key: "ui.legend_unseen", style: "unseen", tag: "rect", shape: PLATE },
];

export function drawLegend(context: Context): HTMLElement {
  const { t, state, payload } = context;
  const list = h("ul", null);
  context.effect(() => {
    const picture = pictureOf(payload, state.mode.value);
    list.replaceChildren(...entries(context, picture), ...readings(context, picture));
  });
  const narrow = h("details", { class: "legend" }, h("summary", null, t("ui.legend")), list);
  narrow.open = true;
  return narrow;
}

function entries({ t }: Context, picture: Picture): HTMLElement[] {
  const styles = new Set(picture.boxes.map((box) => box.style));
  return ENTRIES.filter((entry) => styles.has(entry.style)).map((entry) => {
    const sign = s(entry.tag, { class: "core", ...entry.shape });
    const box = { class: "key", viewBox: "0 0 26 16", width: 26, height: 16, "aria-hidden": "true" };
    return h("li", null, s("svg", box, s("g", { class: `box is-${entry.style}` }, sign)), t(entry.key));
  });
}

function readings({ t, state }: Context, picture: Picture): HTMLElement[] {
  const has = (key: "above" | "below"): boolean => picture.boxes.some((box) => box[key] !== "");
  const gradients = state.mode.value !== "forward" && has("below");
  return [
    has("above") && h("li", null, h("span", { class: "value" }, "1.0 "), t("ui.legend_above")),
    gradients && h("li", null, h("span", { class: "grad" }, "1.0 "), t("ui.legend_below")),
    picture.left_out > 0 && h("li", { class: "left-out" }, t("ui.left_out", { n: picture.left_out })),
  ].filter((item): item is HTMLLIElement => item !== false);
}
