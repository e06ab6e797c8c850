/** The code, with what each line made and kept beside it. */
import type { Context } from "../context";
import { h, type Child } from "../dom";
import { step } from "../keyboard";
import type { Item, Source, SourceLine } from "../payload";
import { severitySign, worst } from "./icons";
import { gutter, inTime, poseLines } from "./moments";
import { appendRows, nothing } from "./parts";

/** Lines of a long source that come at once. */
const PART = 300;

type Mark = SourceLine["marks"][number];

export function drawSource(context: Context): HTMLElement {
  const { t, payload } = context;
  if (payload.source.length === 0) return nothing(t("ui.no_source"));
  const sources = h("div", { class: "sources" }, ...payload.source.map((source) => drawOne(context, source)));
  return inTime(context, "source", sources, poseLines);
}

function drawOne(context: Context, source: Source): HTMLElement {
  const section = h("section", null, h("h4", { class: source.main ? "" : "dim" }, source.label));
  const count = Math.ceil(source.lines.length / PART);
  const parts = Array.from({ length: count }, (_, i) => source.lines.slice(i * PART, (i + 1) * PART));
  appendRows(context, section, parts, (lines) => drawLines(context, lines), 1);
  return section;
}

/** One tab stop for all lines; arrow keys go from line to line and from mark to mark. */
export function drawLines(context: Context, lines: (SourceLine | null)[]): HTMLElement {
  const rows = lines.map((line) => (line === null ? h("div", { class: "gap" }, "⋯") : drawLine(context, line)));
  const block = h("div", { class: "lines", role: "group", "aria-label": context.t("ui.source") }, ...rows);
  const stops = [...block.querySelectorAll<HTMLElement>("[data-stop]")];
  const enter = (at: number): void => stops.forEach((stop, i) => stop.setAttribute("tabindex", i === at ? "0" : "-1"));
  block.addEventListener("keydown", (event) => {
    const here = stops.indexOf(event.target as HTMLElement);
    const next = here < 0 ? -1 : step(here, stops.length, event.key);
    if (event.key === "Enter" || event.key === " ") (event.target as HTMLElement).click();
    else if (next < 0) return;
    else {
      enter(next);
      stops[next]?.focus();
    }
    event.preventDefault();
  });
  enter(0);
  return block;
}

function drawLine(context: Context, line: SourceLine): HTMLElement {
  const { t } = context;
  const number = { class: "n", "data-stop": true, role: "button", "aria-label": t("ui.line_n", { n: line.n }) };
  const code = h("code", null, ...marked(line.text, line.marks));
  return h(
    "div",
    { class: "line", "data-item": line.id },
    h("span", number, signOf(context, line.findings), String(line.n)),
    h("div", null, h("div", { class: "code" }, code, notes(line))),
  );
}

/** What a line made and kept, and its gradient: at the end of the line where there is room, else below it. */
function notes(line: SourceLine): Child {
  const title = [line.made, line.saved].filter(Boolean).join(" · ");
  const made = gutter(line.made, line.saved);
  if (made === "" && line.grad === "") return false;
  const grad = line.grad !== "" && h("span", { class: "grad" }, line.grad);
  return h("span", { class: "notes" }, made !== "" && h("span", { class: "gutter", title }, made), grad);
}

function signOf({ payload }: Context, ids: Item[]): Child {
  const findings = payload.findings.filter((finding) => ids.includes(finding.id));
  return findings.length > 0 && severitySign(worst(findings.map((finding) => finding.severity)), 11);
}

/** The text with its marks as elements, one within the other where they nest. */
export function marked(text: string, marks: Mark[]): (Node | string)[] {
  const characters = [...text];
  const sorted = [...marks].sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  return span(characters, 0, characters.length, sorted);
}

/** The characters from `start` to `end`; takes from `marks`, sorted, those that begin in there. */
function span(characters: string[], start: number, end: number, marks: Mark[]): (Node | string)[] {
  const pieces: (Node | string)[] = [];
  let at = start;
  for (let mark = marks[0]; mark && mark[0] < end; mark = marks[0]) {
    marks.shift();
    const [first, last, item] = [Math.max(mark[0], at), Math.min(mark[1], end), mark[2]];
    if (first >= last) continue;
    pieces.push(characters.slice(at, first).join(""));
    pieces.push(markOf(item, span(characters, first, last, marks)));
    at = last;
  }
  pieces.push(characters.slice(at, end).join(""));
  return pieces.filter((piece) => piece !== "");
}

/** A button; around other marks only their frame, with the end of its own text as the button. */
function markOf(item: Item, inner: (Node | string)[]): HTMLElement {
  const button = { "data-stop": true, role: "button" };
  const own = inner.map((piece) => typeof piece).lastIndexOf("string");
  const look = { class: "mark", "data-item": item };
  if (inner.length === 1 && own === 0) return h("span", { ...look, ...button }, ...inner);
  const pieces = inner.map((piece, i) => (i === own ? h("span", { ...button, "data-go": item }, piece) : piece));
  return h("span", look, ...pieces);
}
