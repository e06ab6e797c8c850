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

/** Long lists begin with this many rows; a button brings the rest. */
const FIRST = 60;

/** Appends a row for each entry to `list`; where there are very many, the later ones only when asked for. */
export function appendRows<T>({ t }: Context, list: Element, entries: T[], row: (entry: T) => Child): void {
  const put = (some: T[]): void => list.append(...some.map(row).filter((child) => child instanceof Node));
  put(entries.slice(0, FIRST));
  const rest = entries.slice(FIRST);
  if (rest.length === 0) return;
  const more = h("button", { type: "button", class: "more" }, count(t, "ui.more", rest.length));
  const frame = list instanceof HTMLTableSectionElement ? inRow(more) : h("div", null, more);
  more.addEventListener("click", () => {
    frame.remove();
    put(rest);
  });
  list.append(frame);
}

function inRow(child: Node): HTMLElement {
  return h("tr", null, h("td", { colspan: 9 }, child));
}

export function nothing(sentence: string): HTMLElement {
  return h("p", { class: "nothing" }, sentence);
}
