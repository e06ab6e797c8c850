/** The memory that backward holds: bytes over time, by what they were held at the peak, and what is left. */
import type { Context } from "../context";
import { h, replace, rich, s } from "../dom";
import type { Memory, MemoryChart, MemoryTable } from "../payload";
import { atEnd } from "../timeline";
import { appendRows, goTo } from "./parts";

export function drawMemory(context: Context, { said, notes, tables }: Memory): HTMLElement {
  const chart = context.payload.timeline?.memory;
  const sentences = (some: string[], name: string) =>
    some.length > 0 && h("ul", { class: name }, ...some.map((sentence) => h("li", null, ...rich(sentence))));
  return h(
    "section",
    { class: "memory" },
    chart && drawChart(context, chart),
    sentences(said, "said"),
    sentences(notes, "notes"),
    tables.length > 0 && drawTables(context, tables),
  );
}

function drawChart(context: Context, chart: MemoryChart): HTMLElement {
  const { width, height, areas, runs, peak, texts, legend } = chart;
  const [x, y] = peak;
  const now = s("path", { class: "now" });
  const svg = s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": context.t("ui.mem_chart") },
    ...runs.map(([left, w, top, tall]) => s("rect", { class: "run", x: left, y: top, width: w, height: tall })),
    ...areas.map((d, i) => s("path", { class: KINDS[i], d })),
    s("path", { class: "axis", d: chart.axis }),
    s("circle", { class: "dot", cx: x, cy: y, r: 3 }),
    ...texts.map((text, i) => {
      const place = { x: text.x, y: text.y, "text-anchor": text.end ? "end" : "start" };
      return s("g", { class: i === 0 ? "peak" : "" }, s("text", place, text.text));
    }),
    now,
  );
  context.effect(() => pointAt(context, chart, now));
  const words = legend.map((word, i) => h("span", null, sample(KINDS[i] ?? ""), word));
  return h("figure", null, svg, h("figcaption", null, ...words));
}

const KINDS = ["held", "anyway", "run"];

function sample(kind: string): SVGElement {
  const square = s("rect", { class: kind, x: 1, y: 1, width: 8, height: 8 });
  return s("svg", { width: 10, height: 10, "aria-hidden": "true" }, square);
}

/** A line at the present moment; none at the end. */
function pointAt({ payload, state }: Context, { left, right, height }: MemoryChart, now: SVGElement): void {
  const count = payload.timeline?.kinds.length ?? 0;
  const moment = state.moment.value;
  const end = atEnd({ payload, state });
  now.toggleAttribute("hidden", end);
  const x = Math.round(10 * (left + ((moment + 0.5) / Math.max(count, 1)) * (right - left))) / 10;
  now.setAttribute("d", end ? "" : `M${x} 12V${height}`);
}

function drawTables(context: Context, tables: MemoryTable[]): HTMLElement {
  const place = h("div", null);
  const buttons = tables.map((table, i) => h("button", { type: "button", onclick: () => show(i) }, table.by));
  const show = (chosen: number): void => {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(i === chosen)));
    const table = tables[chosen];
    if (table) replace(place, drawTable(context, table));
  };
  show(0);
  const label = context.t("ui.mem_by");
  const choice = h("div", { class: "choice", role: "group", "aria-label": label }, h("span", { class: "dim" }, label), ...buttons);
  return h("div", null, choice, place);
}

/** Sorted by a click on a head: a number from the largest on, names as the alphabet has them; again turns it round. */
function drawTable(context: Context, table: MemoryTable): HTMLElement {
  const body = h("tbody", null);
  const most = Math.max(...table.rows.map(({ share }) => share), 0.001);
  let by = 0;
  let down = true;
  const sort = (column: number): void => {
    down = column === by ? !down : column >= 0;
    by = column;
    fill();
  };
  const heads = [table.by, ...table.heads].map((head, i) =>
    h("th", { scope: "col" }, h("button", { type: "button", onclick: () => sort(i - 1) }, head)),
  );
  const fill = (): void => {
    heads.forEach((head, i) => {
      if (i - 1 === by) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    const order = [...table.rows].sort((a, b) => {
      const less = by < 0 ? a.name.localeCompare(b.name, undefined, { numeric: true }) : (a.numbers[by] ?? 0) - (b.numbers[by] ?? 0);
      return down ? -less : less;
    });
    replace(body);
    appendRows(context, body, order, ({ name, link, share, texts }) => {
      const title = `${context.t("ui.mem_share")}: ${Math.round(share * 100)} %`;
      const bar = h("span", { class: "part", style: `width:${Math.round((share / most) * 100)}%`, title });
      const cells = texts.map((text) => h("td", { class: "m" }, text));
      return h("tr", { "data-also": link ?? "" }, h("td", { title: name }, goTo(link, name), bar), ...cells);
    });
  };
  fill();
  const below = [table.more, table.note].filter(Boolean).map((text) => h("p", { class: "dim" }, text));
  return h("div", null, h("table", null, h("thead", null, h("tr", null, ...heads)), body), ...below);
}
