/** All about what is selected: its rows, its findings, its lines. */
import type { Context } from "../context";
import { h, replace, rich, type Child } from "../dom";
import type { Detail, Finding, Item, SavedRow, Source, SourceLine } from "../payload";
import { drawCharts } from "./histogram";
import { actionsOf, detailsOfGroup } from "./actions";
import { drawNudge } from "./nudge";
import { inTime, poseDetails } from "./moments";
import { findingCard, goTo } from "./parts";
import { isGroup } from "../scopes";
import { untracked } from "../signals";
import { atEnd, toldItem } from "../timeline";
import { drawLines } from "./source";

/** Lines of code shown around those that belong to what is selected. */
const AROUND = 2;
const SHORT = 9;

export function drawDetails(context: Context): HTMLElement {
  const panel = h("div", { class: "details" });
  const nudge = untracked(() => drawNudge(context));
  context.effect(() => replace(panel, ...detailsOf(context, toldItem(context), nudge)));
  context.effect(() => {
    if (!atEnd(context)) panel.closest(".body")?.scrollTo?.(0, 0);
  });
  return inTime(context, "details", panel, poseDetails);
}

function detailsOf(context: Context, item: Item, nudge: HTMLElement): Child[] {
  const { payload } = context;
  const detail = payload.details[item];
  if (isGroup(item)) return [...detailsOfGroup(context, item, detail && rowsOf(detail)), excerpt(context, item)];
  if (detail) {
    const charts = drawCharts(detail.charts);
    const found = cards(context, detail.findings);
    return [...heading(detail), actionsOf(context, item), rowsOf(detail), charts, nudge, ...found, excerpt(context, item)];
  }
  const finding = payload.findings.find((one) => one.id === item);
  if (finding) return [findingCard(context, finding), actionsOf(context, item), excerpt(context, item)];
  const saved = payload.saved.rows.find((row) => row.id === item);
  if (saved) return detailsOfSaved(context, saved);
  const line = payload.source.flatMap((source) => source.lines).find((one) => one.id === item);
  return line ? detailsOfLine(context, line) : overview(context);
}

function heading({ title, subtitle }: { title: string; subtitle: string }): Child[] {
  const code = subtitle !== "" && h("code", { class: "dim" }, subtitle);
  return [h("h4", null, h("span", null, ...rich(title)), " ", code)];
}

function rowsOf(detail: Detail): HTMLElement {
  const rows = detail.rows.flatMap(({ label, value, mono, link, alarm }) => {
    const words = mono ? [value] : rich(value);
    const classes = [mono && "m", alarm && "alarm"].filter(Boolean).join(" ");
    return [h("dt", null, ...rich(label)), h("dd", { class: classes }, goTo(link, ...words))];
  });
  return h("dl", { class: "kv" }, ...rows);
}

function cards(context: Context, ids: Item[]): HTMLElement[] {
  const found = context.payload.findings.filter((finding: Finding) => ids.includes(finding.id));
  return found.map((finding) => findingCard(context, finding));
}

/** A saved tensor is told by the node that keeps it. */
function detailsOfSaved(context: Context, row: SavedRow): Child[] {
  const node = context.payload.details[row.node];
  const title = { title: `${row.node_name}.${row.slot}`, subtitle: row.owner };
  return [...heading(title), node && rowsOf(node), excerpt(context, row.id)];
}

function detailsOfLine(context: Context, line: SourceLine): Child[] {
  const { t, payload } = context;
  const items = [...new Set(line.marks.map(([, , item]) => item))];
  const list = items.map((item) => {
    const detail = payload.details[item];
    return detail && h("li", null, goTo(item, detail.title), " ", h("code", { class: "dim" }, detail.subtitle));
  });
  return [
    h("h4", null, t("ui.line_n", { n: line.n })),
    items.length > 0 && h("ul", { class: "plain" }, ...list),
    ...cards(context, line.findings),
    excerpt(context, line.id),
  ];
}

/** With nothing selected: the cell in one sentence, what is wrong in it, and what can be done here. */
function overview(context: Context): Child[] {
  const { t, payload } = context;
  const ids = payload.findings.map((finding) => finding.id);
  return [
    h("p", null, ...rich(payload.headline)),
    ...cards(context, ids.slice(0, 3)),
    h("p", { class: "nothing" }, t("ui.hint")),
    ids.length === 0 && excerpt(context, ""),
  ];
}

function excerpt(context: Context, item: Item): Child {
  const blocks = context.payload.source.flatMap((source) => {
    const lines = linesNear(context, source, item);
    return lines.length === 0 ? [] : [drawLines(context, lines)];
  });
  return blocks.length > 0 && h("div", { class: "excerpt" }, ...blocks);
}

/** The lines that belong to an item and those around them, null for what is left out between. */
function linesNear(context: Context, source: Source, item: Item): (SourceLine | null)[] {
  const related = context.related(item);
  const hits = source.lines.flatMap((line, i) => (line.id === item || related.has(line.id) ? [i] : []));
  if (item === "") return source.main ? source.lines.slice(0, SHORT) : [];
  if (hits.length === 0) return [];
  if (source.lines.length <= SHORT) return source.lines;
  const near = source.lines.map((_, i) => hits.slice(0, SHORT).some((hit) => Math.abs(hit - i) <= AROUND));
  return source.lines.flatMap((line, i) => (near[i] ? [line] : near[i - 1] ? [null] : []));
}
