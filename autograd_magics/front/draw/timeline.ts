/** The bar under the graph: goes through the recording moment by moment, by hand or playing. */
import type { Context } from "../context";
import { h, s } from "../dom";
import type { Timeline } from "../payload";
import { advance, duration, endOf, goTo, SPEEDS, togglePlay } from "../timeline";
import { count } from "../text";
import { icon, severitySign, type Icon } from "./icons";

/** Iterations that are numbered; of more only some are. */
const NUMBERED = 10;
/** Marks of one kind in the track, at most. */
const MARKS = 1500;
/** Where each kind of event stands in the track, and how high: where it is says it too, not only its colour. */
const ROWS: [string, string, number, number][] = [
  ["forward", "f", 0, 5],
  ["backward", "bs", 7, 5],
  ["update", "ug", 1, 10],
  ["error", "x", 0, 12],
];

/** Null where there is nothing to go through. */
export function drawTimeline(context: Context): HTMLElement | null {
  const { t, payload } = context;
  if (!payload.timeline || endOf(payload) === 0) return null;
  playing(context);
  return h(
    "section",
    { class: "timeline", role: "group", "aria-label": t("ui.tl_name") },
    buttons(context),
    h("div", { class: "track" }, ...marks(context, payload.timeline), slider(context)),
    h("div", { class: "pace" }, counter(context), speed(context)),
    caption(context),
  );
}

/** Plays for as long as the state says so; each moment waits for the next by itself. */
function playing({ payload, state, effect, stop }: Context): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  effect(() => {
    clearTimeout(timer);
    const wait = duration(state);
    if (state.playing.value && state.moment.value >= 0) timer = setTimeout(() => advance(payload, state), wait);
  });
  stop.addEventListener("abort", () => clearTimeout(timer));
}

// -- controls

function buttons({ t, payload, state, effect }: Context): HTMLElement {
  const go = (sign: Icon, key: string, to: () => number): HTMLButtonElement => {
    return button(sign, t(key), () => goTo(payload, state, to()));
  };
  const start = go("first", "ui.tl_start", () => 0);
  const back = go("back", "ui.tl_back", () => state.moment.value - 1);
  const ahead = go("ahead", "ui.tl_forward", () => state.moment.value + 1);
  const end = go("last", "ui.tl_end", () => endOf(payload));
  const play = button("play", t("ui.tl_play"), () => togglePlay(payload, state));
  effect(() => {
    const name = t(state.playing.value ? "ui.tl_pause" : "ui.tl_play");
    play.replaceChildren(icon(state.playing.value ? "pause" : "play"));
    play.title = name;
    play.setAttribute("aria-label", name);
  });
  effect(() => {
    const [first, last] = [state.moment.value === 0, state.moment.value >= endOf(payload)];
    // A button that has the focus keeps it: one that is disabled would drop it, and the keys with it.
    for (const [one, off] of [[start, first], [back, first], [ahead, last], [end, last]] as const) {
      one.setAttribute("aria-disabled", String(off));
    }
  });
  return h("span", { class: "seg" }, start, back, play, ahead, end);
}

function button(sign: Icon, name: string, onclick: () => void): HTMLButtonElement {
  return h("button", { type: "button", class: `tool ${sign}`, title: name, "aria-label": name, onclick }, icon(sign));
}

function slider({ t, payload, state, effect }: Context): HTMLElement {
  const look = { type: "range", min: 0, max: endOf(payload), step: 1, "aria-label": t("ui.tl_moment") };
  const input = h("input", look);
  input.addEventListener("input", () => goTo(payload, state, Number(input.value)));
  effect(() => {
    input.value = String(state.moment.value);
    input.setAttribute("aria-valuetext", said(t, payload.timeline, state.moment.value));
  });
  return input;
}

function speed({ t, state, effect }: Context): HTMLElement {
  const options = SPEEDS.map((one) => h("option", { value: one }, `${one === 0.5 ? "½" : one}×`));
  const name = t("ui.tl_speed");
  const select = h("select", { title: name, "aria-label": name }, ...options);
  select.addEventListener("change", () => void (state.speed.value = Number(select.value)));
  effect(() => void (select.value = String(state.speed.value)));
  return select;
}

function counter({ t, payload, state, effect }: Context): HTMLElement {
  const all = endOf(payload);
  const place = h("span", { class: "place", "aria-hidden": "true" });
  effect(() => {
    const n = state.moment.value + 1;
    place.textContent = n > all ? count(t, "ui.tl_steps", all) : t("ui.tl_step_of", { n, all });
  });
  return place;
}

// -- what happens

function said(t: Context["t"], timeline: Timeline | undefined, moment: number): string {
  const all = timeline?.kinds.length ?? 0;
  return (moment < all && timeline?.captions[moment]) || t("ui.tl_rest", { n: all });
}

function caption({ t, payload, state, effect }: Context): HTMLElement {
  const words = h("span", null);
  const place = h("p", { class: "caption" }, words);
  effect(() => {
    const moment = state.moment.value;
    const text = said(t, payload.timeline, moment);
    words.textContent = place.title = text;
    place.className = `caption is-${payload.timeline?.kinds[moment] ?? "end"}`;
    // While it plays a screen reader would never come to an end of it.
    place.setAttribute("aria-live", state.playing.value ? "off" : "polite");
  });
  return place;
}

// -- the track

function marks(context: Context, timeline: Timeline): HTMLElement[] {
  const { kinds, gap } = timeline;
  const box = { viewBox: `0 0 ${kinds.length} 12`, preserveAspectRatio: "none", "aria-hidden": "true" };
  const paths = ROWS.map(([name, letters, y, height]) => s("path", { class: name, d: ticks(kinds, letters, y, height) }));
  const rail = s("path", { class: "rail", d: `M0 6H${kinds.length}` });
  const strip = h("div", { class: "strip" }, s("svg", box, rail, ...paths));
  if (gap) strip.append(at(h("span", { class: "gap", title: gap[1] }, "⋯"), gap[0] - 0.5, kinds.length));
  return [strip, numbers(context, timeline), alarms(context, timeline)];
}

/** One path for all events of a kind; where there are more of them than pixels, several make one mark. */
export function ticks(kinds: string, letters: string, y: number, height: number): string {
  const step = Math.ceil(kinds.length / MARKS);
  const wide = step > 1 ? step : 0.72;
  let path = "";
  for (let i = 0; i < kinds.length; i += step) {
    const some = step > 1 ? kinds.slice(i, i + step) : (kinds[i] ?? "");
    if ([...some].some((kind) => letters.includes(kind))) path += `M${i - 0.36} ${y}h${wide}v${height}h-${wide}z`;
  }
  return path;
}

/** Puts a mark at a moment of the track. */
function at(element: HTMLElement, moment: number, all: number): HTMLElement {
  element.style.left = `${((100 * moment) / all).toFixed(3)}%`;
  return element;
}

/** Where iterations begin, and as many of their numbers as there is room for. */
function numbers({ t }: Context, { iterations, kinds }: Timeline): HTMLElement {
  const outer = iterations.filter(([, , depth]) => depth === 1);
  const told = outer.length > NUMBERED || iterations.length > NUMBERED ? outer : iterations;
  const every = Math.ceil(told.length / NUMBERED);
  const numbered = new Set(told.filter((_, i) => i % every === 0));
  const drawn = iterations.length > MARKS ? [...numbered] : iterations;
  const found = drawn.map((mark) => {
    const [event, label, depth] = mark;
    const look = { class: depth === 1 ? "round" : "round inner", title: t("ui.tl_iteration", { n: label }) };
    return at(h("span", look, numbered.has(mark) && h("span", null, label)), event - 0.5, kinds.length);
  });
  return h("div", { class: "rounds" }, ...found);
}

/** Findings stand where they happened; several at one moment under one sign. */
function alarms({ payload, state }: Context, { findings, kinds }: Timeline): HTMLElement {
  const moments = [...new Set(findings.map(([moment]) => moment))];
  const found = moments.map((moment) => {
    const ids = findings.flatMap(([when, id]) => (when === moment ? [id] : []));
    const here = payload.findings.filter((finding) => ids.includes(finding.id));
    const name = here.map((finding) => `${finding.code} ${finding.title.replaceAll("`", "")}`).join(" · ");
    const sign = severitySign(here[0]?.severity ?? "note", 11);
    const go = (): void => goTo(payload, state, moment);
    const look = { type: "button", class: "alarm", title: name, "aria-label": name, onclick: go };
    return at(h("button", look, sign), moment, kinds.length);
  });
  return h("div", { class: "alarms" }, ...found);
}
