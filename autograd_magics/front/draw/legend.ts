/** What the shapes mean: one line under the graph, only with what the picture has. */
import type { Context } from "../context";
import { h, s, type Props } from "../dom";
import type { Box, Picture } from "../payload";
import { pictureOf } from "../picture";
import { count } from "../text";
import { healthEntries } from "./health";
import { hookSign } from "./icons";

type Entry = { key: string; style: Box["style"] | "leaf ghost"; tag: "circle" | "rect"; shape: Props };

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
  { key: "ui.legend_scope", style: "scope", tag: "rect", shape: PLATE },
];
const GHOST: Entry = { key: "ui.legend_ghost", style: "leaf ghost", tag: "rect", shape: PILL };

/** `shown`: what is drawn now. */
export function drawLegend(context: Context, shown = (): Picture => pictureOf(context.payload, context.state.mode.value)): HTMLElement {
  const { t } = context;
  const list = h("ul", null);
  context.effect(() => {
    const picture = shown();
    list.replaceChildren(...entries(context, picture), ...readings(context, picture), ...healthEntries(context, picture));
  });
  const narrow = h("details", { class: "legend" }, h("summary", null, t("ui.legend")), list);
  narrow.open = true;
  return narrow;
}

function entries({ t }: Context, picture: Picture): HTMLElement[] {
  const styles = new Set<string>(picture.boxes.map((box) => box.style));
  const found = ENTRIES.filter((entry) => styles.has(entry.style)).map((entry) => drawEntry(entry, t(entry.key)));
  if (picture.boxes.some((box) => box.ghost_of !== null)) found.push(drawEntry(GHOST, t(GHOST.key)));
  return found;
}

function drawEntry({ tag, style, shape }: Entry, words: string): HTMLElement {
  const sign = s("g", { class: `box is-${style}` }, s(tag, { class: "core", ...shape }));
  const box = { class: "key", viewBox: "0 0 26 16", width: 26, height: 16, "aria-hidden": "true" };
  return h("li", null, s("svg", box, sign), words);
}

function hookEntry(kind: "changed" | "late", words: string): HTMLElement {
  const sign = hookSign(kind);
  sign.setAttribute("transform", "translate(13 8)");
  const box = { class: "key picture-key", viewBox: "0 0 26 16", width: 26, height: 16, "aria-hidden": "true" };
  return h("li", null, s("svg", box, sign), words);
}

function readings({ t, state }: Context, picture: Picture): HTMLElement[] {
  const has = (key: "above" | "below"): boolean => picture.boxes.some((box) => box[key] !== "");
  const gradients = state.mode.value !== "forward" && !state.health.value && has("below");
  const hooks = (["changed", "late"] as const).filter((kind) => picture.boxes.some((box) => box.hook === kind));
  return [
    ...hooks.map((kind) => hookEntry(kind, t(kind === "changed" ? "ui.legend_hook" : "ui.legend_late"))),
    has("above") && h("li", null, h("span", { class: "value" }, "1.0 "), t("ui.legend_above")),
    gradients && h("li", null, h("span", { class: "grad" }, "1.0 "), t("ui.legend_below")),
    picture.left_out > 0 && h("li", { class: "left-out" }, count(t, "ui.left_out", picture.left_out)),
  ].filter((item): item is HTMLLIElement => item !== false);
}
