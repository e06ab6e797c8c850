/** Puts the view of one payload into an element of the page. */
import type { Context } from "./context";
import { h, rich } from "./dom";
import { drawGraph, type Graph } from "./draw/graph";
import { drawHeader, ZOOM, type Header } from "./draw/header";
import { drawSide, tells } from "./draw/side";
import { drawTimeline } from "./draw/timeline";
import { relations } from "./links";
import { spoken } from "./language";
import { nextLayer } from "./layers";
import { nextWay } from "./path";
import { checkPayload, type Item, type Payload, type Theme } from "./payload";
import { batch, effect, untracked } from "./signals";
import { large } from "./slot";
import { newState, setMode, TABS, type State } from "./state";
import { translator } from "./text";
import { endOf, timelineKey } from "./timeline";
import { followTheme } from "./theme";

export interface Mounted {
  state: State;
  /** The last moment, at which all is as it was at the end of the recording. */
  end: number;
  /** Light or dark from now on; `auto` follows the page. */
  setTheme(theme: Theme): void;
  remove(): void;
}

/** Widths of the view in px from which graph and panel stand side by side, and from which each thing has room. */
const SIDE_BY_SIDE = 860;
const ROOM = { words: 420, legend: 760, tables: 960 };

/** Draws in a shadow root under `host`.  Throws when the payload is not one that can be drawn. */
export function mount(host: HTMLElement, payload: unknown, css: string): Mounted {
  checkPayload(payload);
  const stop = new AbortController();
  const state = newState(payload);
  const place = h("div", { class: "agm-view", "data-lm-suppress-shortcuts": "true" });
  let theme = payload.theme;
  place.attachShadow({ mode: "open" }).append(h("style", null, css));
  host.append(place);
  const refresh = followTheme(place, () => theme, stop.signal);
  speak(place, payload, state, stop.signal);
  // What is pressed in here is ours: a notebook would run or delete cells at a key, and take the focus at a click.
  for (const name of ["keydown", "keypress", "keyup", "mousedown"]) {
    place.addEventListener(name, (event) => event.stopPropagation());
  }
  return {
    state,
    end: endOf(payload),
    setTheme: (wanted) => {
      theme = wanted;
      refresh();
    },
    remove: () => {
      stop.abort();
      place.remove();
    },
  };
}

/** Draws all in the language of the state, now and after each change of it; the rest of the state stays. */
function speak(place: HTMLElement, payload: Payload, state: State, stop: AbortSignal): void {
  let last = new AbortController();
  const redraw = (lang: string): void => {
    last.abort();
    const end = (last = new AbortController());
    const words = spoken(payload, lang);
    const t = translator(words.text);
    const told = large()?.expanded(words, t) ?? words;
    const context: Context = {
      payload: told,
      state,
      t,
      related: relations(told),
      effect: (work) => end.signal.addEventListener("abort", effect(work)),
      stop: end.signal,
    };
    place.lang = told.lang.replace("_", "-");
    const widget = draw(context);
    replaceView(place.shadowRoot, widget);
    adapt(widget, end.signal);
  };
  const stopped = effect(() => {
    const lang = state.lang.value;
    untracked(() => redraw(lang));
  });
  stop.addEventListener("abort", () => {
    stopped();
    last.abort();
  });
}

/** Puts a view in the place of the last one: the panel stays where it was scrolled to, the choice keeps the focus. */
function replaceView(root: ShadowRoot | null, widget: HTMLElement): void {
  const last = root?.querySelector(".widget");
  if (!last) return void root?.append(widget);
  const scrolled = last.querySelector(".body")?.scrollTop ?? 0;
  const choosing = root?.activeElement?.closest(".language");
  last.replaceWith(widget);
  widget.querySelector(".body")?.scrollTo?.(0, scrolled);
  if (choosing) widget.querySelector<HTMLElement>(".language select")?.focus({ preventScroll: true });
}

function draw(context: Context): HTMLElement {
  const { payload, state } = context;
  const choose = (item: Item): void => void (state.selection.value = item);
  const chooseInGraph = (item: Item): void => {
    batch(() => {
      choose(item);
      if (item !== "" && !tells(context, state.tab.value, item)) state.tab.value = "details";
    });
  };
  const graph = drawGraph(context, chooseInGraph);
  const header = drawHeader(context, graph, chooseInGraph);
  const told = (name: "notices" | "hints"): HTMLElement | false => {
    const { [name]: all = [] } = payload;
    return all.length > 0 && h("ul", { class: name }, ...all.map((words) => h("li", null, ...rich(words))));
  };
  const widget = h(
    "div",
    { class: "widget", role: "region", "aria-label": payload.title },
    header.element,
    told("notices"),
    h("div", { class: "main" }, graph.element, drawTimeline(context), drawSide(context, choose)),
    told("hints"),
    announcer(context),
  );
  widget.addEventListener("keydown", (event) => onKey(context, header, graph, event));
  context.effect(() => {
    const item = state.selection.value;
    untracked(() => graph.reveal(item));
  });
  return widget;
}

/** Tells screen readers what was selected. */
function announcer({ payload, state, effect }: Context): HTMLElement {
  const words = h("div", { class: "unseen", role: "status" });
  effect(() => {
    const detail = payload.details[state.selection.value];
    words.textContent = detail ? `${detail.title} ${detail.subtitle}` : "";
  });
  return words;
}

function onKey(context: Context, { find, help }: Header, graph: Graph, event: KeyboardEvent): void {
  const target = event.composedPath()[0];
  const range = target instanceof HTMLInputElement && target.type === "range";
  const typing = (target instanceof HTMLInputElement && !range) || target instanceof HTMLSelectElement;
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const { state } = context;
  const tab = TABS[Number(event.key) - 1];
  const actions: Record<string, () => void> = {
    "/": () => find.focus({ preventScroll: true }),
    "+": () => graph.zoom(ZOOM),
    "=": () => graph.zoom(ZOOM),
    "-": () => graph.zoom(1 / ZOOM),
    "0": () => graph.fit(),
    f: () => setMode(state, "forward"),
    b: () => setMode(state, "backward"),
    o: () => setMode(state, "both"),
    l: () => nextLayer(context.payload, state),
    p: () => void (state.path.value = nextWay(state.path.value)),
    x: () => graph.toggle(),
    X: () => graph.level(0),
    "?": () => help.toggle(),
    Escape: () => void (state.selection.value = ""),
  };
  // The space bar presses what has the focus, and a key that did something there has done its work.
  const pressed = event.key === " " && target instanceof Element && target.closest("button, summary, [role=button]");
  const inTime = event.defaultPrevented || pressed ? null : timelineKey(context.payload, state, event.key);
  const action = tab ? (): void => void (state.tab.value = tab) : (actions[event.key] ?? inTime);
  if (!action) return;
  action();
  event.preventDefault();
}

/** Side by side or one below the other, by the room that there is; not by the window, which may hold much else. */
function adapt(widget: HTMLElement, stop: AbortSignal): void {
  const update = (): void => {
    const width = widget.clientWidth;
    if (width === 0) return;
    const [narrow, folding] = [width < SIDE_BY_SIDE, width < ROOM.legend];
    const legend = widget.querySelector<HTMLDetailsElement>("details.legend");
    if (legend && folding !== widget.classList.contains("folding")) legend.open = !folding;
    widget.classList.toggle("narrow", narrow);
    widget.classList.toggle("folding", folding);
    widget.classList.toggle("compact", width < (narrow ? ROOM.words : ROOM.tables));
    widget.classList.toggle("tiny", width < ROOM.words);
  };
  update();
  if (typeof ResizeObserver !== "function") return;
  const observer = new ResizeObserver(update);
  observer.observe(widget);
  stop.addEventListener("abort", () => observer.disconnect());
}
