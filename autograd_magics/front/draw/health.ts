/** Sizes of gradients: colours of the graph, what they mean, and tables that can be sorted. */
import type { Context } from "../context";
import { h, rich, s } from "../dom";
import { colourOf, healthOf, lookOf, shortNumber, sizeOfWire, type Look } from "../health";
import { itemOf, type Box, type Health, type HealthRow, type HealthTable } from "../payload";
import type { Index } from "../picture";
import { batch } from "../signals";
import { setMode } from "../state";
import { appendRows, goTo } from "./parts";
import { drawPlot } from "./plot";

// -- the graph

/** The button that colours the graph, where there is something to colour it by. */
export function drawHealthToggle({ t, state, payload, effect }: Context): HTMLElement | null {
  if (!healthOf(payload)) return null;
  const toggle = (): void => {
    batch(() => {
      state.health.value = !shown(state);
      if (state.health.value && state.mode.value === "forward") setMode(state, "both");
    });
  };
  const button = h("button", { type: "button", class: "health", title: t("ui.health_title"), onclick: toggle }, t("ui.health"));
  effect(() => button.setAttribute("aria-pressed", String(shown(state))));
  return button;
}

/** Gradients are not shown beside the forward picture alone. */
function shown(state: Context["state"]): boolean {
  return state.health.value && state.mode.value !== "forward";
}

/** Gives boxes and wires the look of their gradients, or takes it from them. */
export function healthLooks({ state, payload }: Context, index: Index): (id: string, element: SVGGElement) => void {
  const health = shown(state) ? healthOf(payload) : null;
  const wires = new Map(health ? index.picture.wires.map((wire) => [wire.id, wire]) : []);
  const backward = state.mode.value === "backward";
  return (id, element) => {
    if (index.frames.has(id)) return; // what is inside says it itself
    const wire = wires.get(id);
    const size = wire ? wire.kind === "data" && health && sizeOfWire(health, wire, backward) : health?.items[itemOf(id)];
    show(element, health && size !== undefined && size !== false && size !== null ? lookOf(health, size) : null, index.boxes.get(id));
  };
}

function show(element: SVGGElement, look: Look | null, box: Box | undefined): void {
  const key = look ? `${look.look} ${look.text}` : "";
  if ((element.dataset["health"] ?? "") === key) return;
  element.dataset["health"] = key;
  element.querySelector(".rms")?.remove();
  element.classList.remove("sized", ...[...element.classList].filter((name) => /^h[0-9xz]$/.test(name)));
  if (!look) return;
  element.classList.add("sized", look.look);
  if (!box || box.shape === "group") return; // a folded group has it among its facts
  element.append(s("text", { class: "rms", y: box.shape === "wire" ? 17 : box.ch / 2 + 14 }, look.text));
}

/** What the colours mean, while they are shown: only those that the picture has. */
export function healthEntries({ t, state, payload }: Context, index: { boxes: { id: string }[] }): HTMLElement[] {
  const health = shown(state) ? healthOf(payload) : null;
  if (!health) return [];
  const sizes = index.boxes.flatMap(({ id }) => health.items[itemOf(id)] ?? []);
  const looks = new Set(sizes.map((size) => lookOf(health, size).look));
  const entries = bandsOf(health).filter(([look]) => looks.has(look));
  if (looks.has("hz")) entries.push(["hz", `∅ ${t("ui.health_zero")}`]);
  if (looks.has("hx")) entries.push(["hx", `⚠ ${t("ui.health_odd")}`]);
  return [h("li", null, t("ui.health_rms")), ...entries.map(([look, words]) => h("li", null, swatch(look), words))];
}

function bandsOf({ scale }: Health): [string, string][] {
  if (!scale) return [];
  const end = (band: number): string => shortNumber(10 ** Math.min(scale.low + band * scale.step, scale.high));
  return Array.from({ length: scale.bands }, (_, band) => [colourOf(scale.bands, band), `${end(band)} … ${end(band + 1)}`]);
}

/** A piece of a wire in the colour and width of its size. */
function swatch(look: string): SVGElement {
  const line = s("g", { class: `wire sized ${look}` }, s("path", { d: "M2 6H24" }));
  return s("svg", { class: "key", viewBox: "0 0 26 12", width: 26, height: 12, "aria-hidden": "true" }, line);
}

// -- tables

/** The plot by layer and the tables; null where there is nothing that the ledgers do not tell. */
export function drawHealth(context: Context): HTMLElement | null {
  const { health } = context.payload;
  if (!health) return null;
  return h(
    "div",
    { class: "health" },
    health.hint !== "" && h("p", { class: "dim" }, ...rich(health.hint)),
    health.plot && drawPlot(health.plot),
    ...health.tables.map((table, i) => drawTable(context, health, table, i === 0)),
  );
}

function drawTable(context: Context, health: Health, table: HealthTable, open: boolean): HTMLElement {
  const body = h("tbody", null);
  const fill = (rows: HealthRow[]): void => {
    body.replaceChildren();
    appendRows(context, body, rows, (row) => drawRow(health, row));
  };
  const heads = table.columns.map(() => h("th", { scope: "col", "aria-sort": "none" }));
  table.columns.forEach((column, i) => {
    const sort = (): void => {
      const last = heads[i]?.getAttribute("aria-sort") ?? "none";
      const way = NEXT[last] ?? "none";
      heads.forEach((head, k) => head.setAttribute("aria-sort", k === i ? way : "none"));
      fill(sorted(table.rows, i, way));
    };
    const look = { type: "button", class: "sort", title: context.t("ui.sort_by", { column }), onclick: sort };
    heads[i]?.append(h("button", look, column));
  });
  fill(table.rows);
  const look = { class: "figures", style: `--columns: ${table.columns.length - 2}` };
  const drawn = h("table", look, h("thead", null, h("tr", null, ...heads)), body);
  const summary = h("summary", null, table.title, " ", h("span", { class: "dim" }, String(table.rows.length)));
  return h("details", { open }, summary, drawn, table.more !== "" && h("p", { class: "dim" }, `… ${table.more}`));
}

/** A click on a column sorts upwards, a second one downwards, a third one as it was. */
const NEXT: Record<string, string> = { none: "ascending", ascending: "descending" };

/** Rows by a column, by its numbers where it has some; those without one stay at the end. */
export function sorted(rows: HealthRow[], column: number, way: string): HealthRow[] {
  if (way !== "ascending" && way !== "descending") return rows;
  const sign = way === "ascending" ? 1 : -1;
  const numbers = rows.some((row) => typeof row.keys[column] === "number");
  const compare = (a: HealthRow, b: HealthRow): number => {
    if (!numbers) return sign * (a.cells[column] ?? "").localeCompare(b.cells[column] ?? "", undefined, { numeric: true });
    const [x, y] = [a.keys[column] ?? null, b.keys[column] ?? null];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return sign * (x - y);
  };
  return [...rows].sort(compare);
}

function drawRow(health: Health, { id, cells, size }: HealthRow): HTMLElement {
  const look = size === null ? "" : lookOf(health, size).look;
  const [name = "", second = "", ...rest] = cells;
  const alarm = look === "hz" || look === "hx";
  return h(
    "tr",
    { "data-item": id ?? "", class: alarm && "alarm" },
    h("th", { scope: "row" }, look !== "" && health.scale && swatch(look), goTo(id, name)),
    h("td", { class: "second dim" }, second),
    ...rest.map((cell) => h("td", { class: cell.startsWith("⚠") || (alarm && cell.startsWith("100")) ? "m alarm" : "m" }, cell)),
  );
}
