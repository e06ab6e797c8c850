/** The bar above: what was recorded, and the controls. */
import type { Context } from "../context";
import { h } from "../dom";
import { find as findAll } from "../find";
import { layersOf } from "../layers";
import { pictureOf } from "../picture";
import { itemOf, type Item } from "../payload";
import { scopesOf } from "../scopes";
import { MODES, setMode } from "../state";
import { count } from "../text";
import { drawHealthToggle } from "./health";
import { drawLanguages } from "./language";
import { longWires } from "./decoration";
import { drawLayers } from "./layers";
import { icon, severitySign, worst, type Icon } from "./icons";
import { popup, type Popup } from "./popup";
import type { Graph } from "./graph";
import { saveData, savePicture } from "./save";

export interface Header {
  element: HTMLElement;
  find: HTMLInputElement;
  help: Popup;
}

interface Finder {
  element: HTMLElement;
  input: HTMLInputElement;
}

export const ZOOM = 1.25;

export function drawHeader(context: Context, graph: Graph, choose: (item: Item) => void): Header {
  const { t } = context;
  const find = finder(context, graph, choose);
  const help = helper(context);
  const tools = h(
    "div",
    { class: "tools", role: "toolbar", "aria-label": t("ui.controls") },
    modes(context),
    drawLayers(context),
    drawHealthToggle(context),
    find.element,
    h(
      "span",
      { class: "seg", role: "group", "aria-label": t("ui.zoom") },
      tool("minus", t("ui.zoom_out"), () => graph.zoom(1 / ZOOM)),
      tool("plus", t("ui.zoom_in"), () => graph.zoom(ZOOM)),
      tool("fit", t("ui.fit"), () => graph.fit()),
    ),
    levels(context, graph),
    calmer(context, graph),
    exporter(context, graph).element,
    h("span", { class: "corner" }, drawLanguages(context), help.element),
  );
  return { element: h("div", { class: "bar" }, told(context), tools), find: find.input, help };
}

/** What was recorded, in short. */
function told({ t, payload, state, effect }: Context): HTMLElement {
  const live = h("span", { class: "chip live", title: t("ui.live_title") }, t("ui.live"));
  effect(() => void (live.hidden = !state.live.value));
  const chips = [payload.cell, ...payload.summary].filter(Boolean).map((words) => h("span", { class: "chip" }, words));
  const { findings } = payload;
  const severity = worst(findings.map((finding) => finding.severity));
  const open = (): void => void (state.tab.value = "findings");
  const sign = severitySign(severity);
  const look = { type: "button", class: `chip ${severity}`, onclick: open };
  const alarm = findings.length > 0 && h("button", look, sign, count(t, "ui.n_findings", findings.length));
  return h("div", { class: "told" }, h("b", null, payload.title), ...chips, alarm, live);
}

function modes({ t, state, payload, effect }: Context): HTMLElement {
  const buttons = MODES.map((mode) => {
    const empty = mode !== "backward" ? payload.pictures.forward : payload.pictures.backward;
    const look = { type: "button", title: t(`ui.${mode}_title`), disabled: empty.boxes.length === 0 };
    const button = h("button", { ...look, onclick: () => setMode(state, mode) }, t(`ui.${mode}`));
    effect(() => button.setAttribute("aria-pressed", String(state.mode.value === mode)));
    return button;
  });
  return h("span", { class: "seg modes", role: "group", "aria-label": t("ui.modes") }, ...buttons);
}

function tool(sign: Icon, name: string, onclick: () => void): HTMLButtonElement {
  return h("button", { type: "button", class: "tool", title: name, "aria-label": name, onclick }, icon(sign));
}

/** Unfold and fold, where there is something that can be. */
function levels({ t, state, payload, effect }: Context, graph: Graph): HTMLElement {
  const more = tool("unfold", t("ui.unfold"), () => graph.level(1));
  const less = tool("fold", t("ui.fold"), () => graph.level(-1));
  const group = h("span", { class: "seg", role: "group", "aria-label": t("ui.folding") }, more, less);
  effect(() => {
    const { groups, tree } = scopesOf(pictureOf(payload, state.mode.value));
    group.hidden = groups.size === 0;
    more.disabled = tree.groups.every(({ id }) => state.open.value.has(id));
    less.disabled = !tree.groups.some(({ id }) => state.open.value.has(id));
  });
  return group;
}

/** Long wires can be made faint, where there are any. */
function calmer({ t, state, effect }: Context, graph: Graph): HTMLElement {
  const button = tool("skip", t("ui.calm"), () => void (state.calm.value = !state.calm.value));
  effect(() => {
    button.setAttribute("aria-pressed", String(state.calm.value));
    button.parentElement?.toggleAttribute("hidden", !state.calm.value && longWires(graph.picture()).size === 0);
  });
  const group = h("span", { class: "seg" }, button);
  group.hidden = longWires(graph.picture()).size === 0;
  return group;
}

/** Enter goes from one match to the next, with Shift back; Escape empties the box. */
function finder(context: Context, graph: Graph, choose: (item: Item) => void): Finder {
  const { t, state, payload, effect } = context;
  const input = h("input", { type: "text", size: 1, placeholder: t("ui.find"), "aria-label": t("ui.find_title") });
  input.value = state.query.value;
  const place = h("output", { class: "count" });
  let at = -1;
  const matches = (): string[] => findAll(context, pictureOf(payload, state.mode.value), state.query.value);
  const tell = (): void => {
    const n = matches().length;
    place.textContent = state.query.value.trim() === "" ? "" : `${Math.min(at + 1, n)}/${n}`;
  };
  const go = (side: 1 | -1): void => {
    const found = matches();
    if (found.length === 0) return;
    at = (at + side + found.length + (at < 0 && side < 0 ? 1 : 0)) % found.length;
    const id = found[at];
    if (id !== undefined) {
      graph.unfoldTo(id);
      state.cursor.value = id;
      choose(itemOf(id));
    }
    tell();
  };
  input.addEventListener("input", () => {
    at = -1;
    state.query.value = input.value;
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter") go(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") state.query.value = input.value = "";
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  effect(tell);
  return { element: h("label", { class: "find", title: t("ui.find_title") }, input, place), input };
}

function exporter(context: Context, graph: Graph): Popup {
  const { t, payload } = context;
  const entry = (words: string, onclick: () => void): HTMLElement => {
    return h("button", { type: "button", role: "menuitem", tabindex: -1, onclick }, words);
  };
  const panel = h(
    "div",
    { class: "panel menu" },
    entry(t("ui.save_svg"), () => savePicture(context, panel.getRootNode() as ShadowRoot, graph.picture())),
    entry(t("ui.save_json"), () => saveData(payload)),
  );
  const name = t("ui.export");
  return popup({ face: [icon("save"), h("span", { class: "word" }, name), icon("down")], name, kind: "menu" }, panel);
}

const KEYS: [string, string][] = [
  ["← → ↑ ↓", "ui.key_arrows"],
  ["Enter", "ui.key_enter"],
  ["Esc", "ui.key_escape"],
  ["/", "ui.key_find"],
  ["+ − 0", "ui.key_zoom"],
  ["f b o", "ui.key_modes"],
  ["1 … 5", "ui.key_tabs"],
  ["Space", "ui.key_play"],
  [", .", "ui.key_step"],
  ["Home End", "ui.key_ends"],
  ["p", "ui.key_path"],
  ["?", "ui.key_help"],
];
const FOLDING: [string, string][] = [
  ["x", "ui.key_fold"],
  ["X", "ui.key_fold_all"],
];

function helper({ t, payload }: Context): Popup {
  const folding = payload.pictures.forward.tree ?? payload.pictures.backward.tree ? FOLDING : [];
  const layers: [string, string][] = layersOf(payload).length > 0 ? [["l", "ui.key_layers"]] : [];
  const keys = [...KEYS, ...folding, ...layers];
  const rows = keys.flatMap(([keys, what]) => [h("dt", null, h("kbd", null, keys)), h("dd", null, t(what))]);
  const mouse = h("p", { class: "dim" }, t("ui.help_mouse"));
  const list = h("dl", { class: "kv" }, ...rows);
  const panel = h("div", { class: "panel help" }, h("h4", null, t("ui.help")), list, mouse);
  return popup({ face: ["?"], name: t("ui.help"), kind: "dialog" }, panel);
}
