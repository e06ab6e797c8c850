/** Small pieces that several panels use. */
import type { Context } from "../context";
import { h, rich, type Child } from "../dom";
import type { Finding, Item } from "../payload";
import { count } from "../text";
import { severitySign } from "./icons";

/** A button that selects an item; plain text where there is none. */
export function goTo(item: Item | null, ...label: Child[]): HTMLElement {
  if (item === null || item === "") return h("span", null, ...label);
  return h("button", { type: "button", class: "link", "data-go": item }, ...label);
}

export function findingCard({ t }: Context, finding: Finding): HTMLElement {
  const kind = t(`ui.${finding.severity}`);
  const head = h(
    "h4",
    null,
    severitySign(finding.severity),
    h("span", { class: "unseen" }, kind),
    goTo(finding.id, h("b", null, finding.code)),
    " ",
    h("span", null, ...rich(finding.title)),
  );
  const ends = finding.ends.map((end) => h("li", null, goTo(end.link, ...rich(end.label))));
  return h(
    "article",
    { class: `finding ${finding.severity}`, "data-item": finding.id },
    head,
    h("p", null, ...rich(finding.message)),
    finding.fix !== "" && h("p", { class: "fix" }, h("b", null, t("ui.fix")), " ", ...rich(finding.fix)),
    ends.length > 0 && h("ul", { class: "ends", "aria-label": t("ui.where") }, ...ends),
    finding.torch !== "" && torchWords(t("ui.torch_says"), finding.torch),
  );
}

function torchWords(label: string, words: string): HTMLElement {
  return h("details", { class: "torch" }, h("summary", null, label), h("pre", null, words));
}

/** Long lists begin with this many rows; a button brings more of them. */
const FIRST = 60;
const MORE = 400;

/** By the last row of a list that is not all there: brings its rows up to the first that mentions something. */
const rests = new WeakMap<Element, (meant: (item: Item) => boolean) => void>();

/** Appends a row for each entry to `list`; where there are very many, the later ones only when they are asked for. */
export function appendRows<T>({ t }: Context, list: Element, entries: readonly T[], row: (entry: T) => Child, first = FIRST): void {
  const more = h("button", { type: "button", class: "more" });
  const frame = list instanceof HTMLTableSectionElement ? inRow(more) : h("div", null, more);
  let there = 0;
  const put = (end: number): void => {
    list.append(...entries.slice(there, end).map(row).filter((child) => child instanceof Node));
    there = Math.min(end, entries.length);
    frame.remove();
    more.textContent = count(t, "ui.more", entries.length - there);
    if (there < entries.length) list.append(frame);
  };
  more.addEventListener("click", () => put(there + MORE));
  frame.classList.add("rest");
  rests.set(frame, (meant) => {
    const at = entries.findIndex((entry, i) => i >= there && mentions(entry, meant));
    if (at >= 0) put(at + 1);
  });
  put(first);
}

function mentions(value: unknown, meant: (item: Item) => boolean): boolean {
  if (typeof value === "string") return meant(value);
  return value !== null && typeof value === "object" && Object.values(value).some((one) => mentions(one, meant));
}

/** Brings those rows of all lists in a panel in which something is to be seen. */
export function uncover(panel: Element, meant: (item: Item) => boolean): void {
  panel.querySelectorAll(".rest").forEach((frame) => rests.get(frame)?.(meant));
}

function inRow(child: Node): HTMLElement {
  return h("tr", null, h("td", { colspan: 9 }, child));
}

export function nothing(sentence: string): HTMLElement {
  return h("p", { class: "nothing" }, sentence);
}
