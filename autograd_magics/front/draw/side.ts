/** The panel with the tabs.  A tab's content is made when it is first opened. */
import { markOf, type Context } from "../context";
import { h, scrollWithin } from "../dom";
import { step } from "../keyboard";
import type { Item } from "../payload";
import { TABS, type Tab } from "../state";
import { untracked } from "../signals";
import { drawDetails } from "./details";
import { drawFindings } from "./findings";
import { drawGradients } from "./gradients";
import { severitySign, worst } from "./icons";
import { uncover } from "./parts";
import { drawSaved } from "./saved";
import { drawSource } from "./source";

const DRAW: Record<Tab, (context: Context) => HTMLElement> = {
  details: drawDetails,
  gradients: drawGradients,
  saved: drawSaved,
  findings: drawFindings,
  source: drawSource,
};

let mounted = 0;

/** `choose` is called with the item of what was clicked in a panel. */
export function drawSide(context: Context, choose: (item: Item) => void): HTMLElement {
  const { t, state, effect } = context;
  const prefix = `agm${(mounted += 1)}`;
  const tabs = TABS.map((tab) => tabButton(context, tab, prefix));
  const panels = TABS.map((tab) => tabPanel(tab, prefix));
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": t("ui.panels") }, ...tabs);
  list.addEventListener("keydown", (event) => {
    const next = step(TABS.indexOf(state.tab.value), TABS.length, event.key);
    const tab = TABS[next];
    if (!tab) return;
    event.preventDefault();
    state.tab.value = tab;
    tabs[next]?.focus();
  });
  effect(() => TABS.forEach((tab, i) => open(context, tab, tab === state.tab.value, tabs[i], panels[i])));
  effect(() => {
    const panel = panels[TABS.indexOf(state.tab.value)];
    if (panel) showMarks(context, panel);
  });
  const body = h("div", { class: "body" }, ...panels);
  body.addEventListener("click", (event) => onClick(event, choose));
  return h("section", { class: "side", "aria-label": t("ui.panels") }, h("div", { class: "inner" }, list, body));
}

function tabButton({ t, state, payload }: Context, tab: Tab, prefix: string): HTMLElement {
  const { findings } = payload;
  const count = tab === "findings" && findings.length > 0;
  const look = { type: "button", role: "tab", id: `${prefix}-tab-${tab}`, "aria-controls": `${prefix}-${tab}` };
  const sign = count && severitySign(worst(findings.map((finding) => finding.severity)), 12);
  const words = count ? `${t(`ui.${tab}`)} ${findings.length}` : t(`ui.${tab}`);
  return h("button", { ...look, onclick: () => void (state.tab.value = tab) }, sign, words);
}

function tabPanel(tab: Tab, prefix: string): HTMLElement {
  const look = { class: "tabpanel", role: "tabpanel", id: `${prefix}-${tab}`, tabindex: 0 };
  return h("div", { ...look, "aria-labelledby": `${prefix}-tab-${tab}` });
}

function open(context: Context, tab: Tab, wanted: boolean, button?: HTMLElement, panel?: HTMLElement): void {
  button?.setAttribute("aria-selected", String(wanted));
  button?.setAttribute("tabindex", wanted ? "0" : "-1");
  if (!panel) return;
  panel.hidden = !wanted;
  if (wanted && panel.childElementCount === 0) untracked(() => panel.append(DRAW[tab](context)));
}

/** Marks what is selected or related to it in a panel, and scrolls there. */
function showMarks(context: Context, panel: HTMLElement): void {
  const mark = markOf(context);
  uncover(panel, (item) => mark(item) === "selected");
  let first = markIn(panel, mark);
  if (!first.selected && !first.related) {
    uncover(panel, (item) => mark(item) !== "");
    first = markIn(panel, mark);
  }
  const folded = first.selected?.closest<HTMLDetailsElement>("details.follows");
  if (folded) folded.open = true;
  const target = first.selected ?? first.related;
  if (target && !panel.querySelector(".details")) scrollWithin(panel.parentElement ?? panel, target);
}

/** Returns the first that is selected, and the first that is related to it. */
function markIn(panel: HTMLElement, mark: (item: Item) => string): Partial<Record<"selected" | "related", Element>> {
  const first: Partial<Record<"selected" | "related", Element>> = {};
  for (const element of panel.querySelectorAll<HTMLElement>("[data-item], [data-also]")) {
    const also = (element.dataset.also ?? "").split(" ").some((item) => item !== "" && mark(item) !== "");
    const state = mark(element.dataset.item ?? "") || (also ? "related" : "");
    element.classList.toggle("selected", state === "selected");
    element.classList.toggle("related", state === "related");
    if (state === "selected" || state === "related") first[state] ??= element;
  }
  return first;
}

/** Whether a tab has something about an item: then a click in the graph does not leave that tab. */
export function tells(context: Context, tab: Tab, item: Item): boolean {
  const { payload } = context;
  const has = (one: Item): boolean => one === item || context.related(item).has(one);
  if (tab === "gradients") return payload.gradients.some(({ id }) => has(id));
  if (tab === "saved") return payload.saved.rows.some(({ id }) => has(id));
  if (tab === "findings") return payload.findings.some(({ id }) => has(id));
  if (tab === "source") return payload.source.some(({ lines }) => lines.some(({ id }) => has(id)));
  return true;
}

function onClick(event: Event, choose: (item: Item) => void): void {
  const target = event.target as Element;
  if (target.closest("summary, .more")) return;
  const link = target.closest<HTMLElement>("[data-go], [data-item]");
  const item = link?.dataset.go ?? link?.dataset.item;
  if (item) choose(item);
}
