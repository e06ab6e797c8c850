/** The slider that nudges a small leaf, and the new values on the wires. */
import type { Context } from "../context";
import { h, replace, scrollWithin } from "../dom";
import { Asking, NOTCHES, stepAt, type Leaf, type Nudged } from "../nudge";
import type { Item } from "../payload";
import { untracked } from "../signals";

/** The layout kept room for the recorded value; a longer one is written smaller, in px, but not too small to read. */
const FONT = 11;
const SMALLEST = 8.5;
/** Width of a letter as a share of its size. */
const LETTER = 0.605;
/** What a text may take of the gaps beside its box, in px. */
const BESIDE = 22;

/** One panel for as long as the view exists: it follows the selection, and hides where there is nothing to nudge. */
export function drawNudge(context: Context): HTMLElement {
  const { t, state, payload, effect, stop } = context;
  const asking = new Asking(state);
  const choice = h("select", { "aria-label": t("ui.nudge_element") });
  const slider = h("input", { type: "range", min: -NOTCHES, max: NOTCHES, step: 1, value: 0 });
  const step = h("output", { class: "m" });
  const back = h("button", { type: "button", class: "chip" }, t("ui.nudge_reset"));
  const outcome = h("div", { class: "outcome", "aria-live": "polite" });
  const quiet = h("p", { class: "nothing" });
  const controls = h("div", { class: "controls" }, choice, slider, step, back);
  const panel = h("section", { class: "nudge", "aria-label": t("ui.nudge") }, h("h5", null, t("ui.nudge")), controls, outcome, quiet);
  const leaf = (): Leaf | undefined => payload.nudge?.[state.selection.value];
  const element = (): Leaf["elements"][number] | undefined => leaf()?.elements[Number(choice.value || 0)];
  const wanted = (): number => stepAt(Number(slider.value), element()?.reach ?? 1);
  const say = (): void => {
    step.textContent = `ε = ${signed(wanted())}`;
    slider.setAttribute("aria-label", t("ui.nudge_step", { name: element()?.name ?? "" }));
    slider.setAttribute("aria-valuetext", signed(wanted()));
    back.style.visibility = slider.value === "0" ? "hidden" : ""; // it keeps its place, or the slider would move
  };
  const ask = (): void => {
    say();
    asking.ask({ item: state.selection.value, element: Number(choice.value || 0), step: wanted() });
  };
  const reset = (): void => {
    slider.value = "0";
    say();
  };
  const drop = (): void => {
    asking.forget();
    state.nudged.value = null;
  };
  slider.addEventListener("input", ask);
  back.addEventListener("click", () => (reset(), ask()));
  choice.addEventListener("change", () => (reset(), ask()));
  effect(() => {
    const found = leaf();
    untracked(drop);
    panel.hidden = !found;
    choice.hidden = (found?.elements.length ?? 0) < 2;
    const names = found?.elements.map(({ name, value }, i) => h("option", { value: i }, `${name} = ${value}`)) ?? [];
    replace(choice, ...names);
    reset();
  });
  effect(() => {
    const live = state.live.value;
    for (const control of [slider, choice, back]) control.disabled = !live;
    quiet.textContent = t(live ? "ui.nudge_hint" : "ui.nudge_no_kernel");
    if (!live) untracked(() => (drop(), reset()));
  });
  effect(() => {
    const answer = state.nudged.value;
    if (!answer) return replace(outcome);
    if (!untracked(() => asking.takes(answer))) return;
    const first = outcome.childElementCount === 0;
    replace(outcome, ...outcomeOf(answer));
    const body = first && panel.closest(".body");
    if (body) scrollWithin(body, panel);
  });
  stop.addEventListener("abort", drop);
  return panel;
}

function outcomeOf({ error, rows, lesson }: Nudged): HTMLElement[] {
  if (error !== "") return [h("p", { class: "error" }, error)];
  const pairs = rows.flatMap(({ label, value }) => [h("dt", null, label), h("dd", { class: "m" }, value)]);
  return [h("dl", null, ...pairs), h("p", { class: "lesson" }, lesson)];
}

function signed(value: number): string {
  return String(value).replace("-", "−");
}

/** Puts the value of a replay in the place of the recorded one, and takes it away again. */
export function showValue(box: Element, value: string | undefined): void {
  const text = box.querySelector<SVGTextElement>("text.value");
  if (!text) return;
  const recorded = (text.dataset.recorded ??= text.textContent ?? "");
  const shown = value ?? recorded;
  if (text.textContent !== shown) text.textContent = shown;
  const size = shown === recorded ? FONT : Math.max(SMALLEST, roomOf(box) / (shown.length * LETTER));
  text.style.fontSize = size < FONT ? `${size.toFixed(1)}px` : "";
  box.classList.toggle("nudged", shown !== recorded);
}

function roomOf(box: Element): number {
  return Number(box.querySelector(".halo")?.getAttribute("width") ?? 0) + BESIDE;
}

/** By item: the values on the wires while a leaf is nudged. */
export function nudgedValues({ state }: Context): (item: Item) => string | undefined {
  const values = state.nudged.value?.values ?? {};
  return (item) => values[item];
}
