/** Shows a moment of the recording where the end was drawn: in the picture, in code, in the rows of the panels. */
import type { Context } from "../context";
import { replace, rich, s, scrollWithin } from "../dom";
import type { Box, Item, Payload, SavedRow, SourceLine, Timeline } from "../payload";
import type { Index } from "../picture";
import { untracked } from "../signals";
import type { Tab } from "../state";
import { atEnd, findingsByItem, Looks, runningAt, textAt, timesOf, toldItem, type Look } from "../timeline";
import type { Scene } from "./scene";

// -- the picture

/** Returns what poses one picture at the present moment, and gives the boxes of that: at first all, then what changed. */
export function poser({ payload, state }: Context, index: Index, scene: Scene): () => Box[] {
  const times = timesOf(payload, index.scopes.picture);
  const { timeline } = payload;
  if (!times || !timeline) return () => [];
  let looks: Looks | null = null;
  let last: number | null = null;
  return () => {
    const moment = state.moment.value;
    // All is drawn as at the end: until one leaves it nothing has to be known of other moments.
    if (!looks && moment >= timeline.kinds.length) return [];
    const known = (looks ??= new Looks(index, timeline, times, findingsByItem(payload)));
    const changed = last === null ? null : known.between(last, moment);
    const current = known.current(moment);
    last = moment;
    const later = (id: string): boolean => known.at(id, moment, current).later;
    scene.pose((id, element) => pose(element, index.boxes.get(id), known.at(id, moment, current)), changed, later);
    return [...current].flatMap((id) => index.boxes.get(id) ?? []);
  };
}

function pose(element: SVGGElement, box: Box | undefined, look: Look): void {
  const { classList } = element;
  classList.toggle("later", look.later);
  if (!box) return;
  classList.toggle("current", look.current);
  classList.toggle("fresh", look.fresh);
  classList.toggle("innocent", look.innocent);
  write(element.querySelector(".grad:not(.figures)"), look.below ?? box.below);
  classList.toggle("before-grad", look.below !== null);
  keep(element, box, look);
}

function write(element: Element | null, text: string): void {
  if (element && element.textContent !== text) element.textContent = text;
}

/** The dot of a box that keeps tensors: full, and hollow once they are freed. */
function keep(element: SVGGElement, box: Box, { kept }: Look): void {
  const dot = element.querySelector(".keeps");
  if (kept === "") return dot?.remove();
  const inset = box.shape === "circle" ? 0.35 : 0.5;
  const at = { cx: box.cw * inset, cy: box.ch * inset, r: 4 };
  if (!dot) element.append(s("circle", { class: `keeps ${kept}`, ...at }));
  else dot.setAttribute("class", `keeps ${kept}`);
}

// -- code

/** Lines and marks under an element: which is run now, and what each has made, keeps and got by now. */
export function poseLines({ payload, state }: Context, root: Element): void {
  const { timeline } = payload;
  if (!timeline) return;
  const moment = state.moment.value;
  const running = runningAt(timeline, moment);
  const here = [timeline.lines[moment], timeline.marks[moment]];
  const over = running === null ? [] : [timeline.lines[running], timeline.marks[running]];
  for (const element of root.querySelectorAll<HTMLElement>(".line, .mark")) {
    const item = element.dataset["item"] ?? "";
    element.classList.toggle("current", item !== "" && here.includes(item));
    element.classList.toggle("running", item !== "" && over.includes(item));
  }
  for (const element of root.querySelectorAll<HTMLElement>(".line .notes")) {
    const line = lineOf(payload, element.closest<HTMLElement>(".line")?.dataset["item"] ?? "");
    if (line) poseNotes(element, notesAt(timeline, line, moment));
  }
}

const lines = new WeakMap<Payload, Map<Item, SourceLine>>();

function lineOf(payload: Payload, item: Item): SourceLine | undefined {
  let known = lines.get(payload);
  if (!known) {
    known = new Map(payload.source.flatMap((source) => source.lines).map((line) => [line.id, line]));
    lines.set(payload, known);
  }
  return known.get(item);
}

function poseNotes(element: Element, { made, saved, grad }: Notes): void {
  write(element.querySelector(".gutter"), gutter(made, saved));
  write(element.querySelector(".grad"), grad);
}

type Notes = Pick<SourceLine, "made" | "saved" | "grad">;

/** What a line has made, keeps and got at a moment; at the end, what it made, kept and got in all. */
function notesAt({ kinds, source }: Timeline, line: SourceLine, moment: number): Notes {
  if (moment >= kinds.length) return line;
  const at = (table: Record<Item, [number, string][]>): string => textAt(table[line.id], moment);
  return { made: at(source.made), saved: at(source.saved), grad: at(source.grad) };
}

/** `PowBackward0` as `PowB`: the gutter is narrow, and the full name is in its title. */
export function gutter(made: string, saved: string): string {
  return [made.replace(/Backward\d*/g, "B"), saved].filter(Boolean).join(" · ");
}

// -- rows of the panels

/** Details of an item without what comes later, and the code beside them. */
export function poseDetails(context: Context, root: Element): void {
  const { payload, state } = context;
  const item = toldItem(context);
  const rows = payload.details[item]?.rows ?? [];
  const [names, values] = [root.querySelectorAll(".kv > dt"), root.querySelectorAll(".kv > dd")];
  for (const [index, since, ledger] of payload.timeline?.details[item] ?? []) {
    const later = !atEnd(context) && since > state.moment.value;
    names[index]?.classList.toggle("later", later);
    values[index]?.classList.toggle("later", later);
    const held = atEnd(context) ? undefined : payload.timeline?.ledgers[ledger]?.now;
    const told = held ? textAt(held, state.moment.value) || "None" : rows[index]?.value;
    if (ledger >= 0) write(values[index]?.firstElementChild ?? null, told ?? "");
  }
  poseLines(context, root);
}

/** Rows of ledgers appear one by one, and each `.grad` is what it was then. */
export function poseLedgers({ payload, state }: Context, root: Element): void {
  const { timeline, gradients } = payload;
  const moment = state.moment.value;
  const end = atEnd({ payload, state });
  root.querySelectorAll(":scope > section").forEach((section, i) => {
    const times = timeline?.ledgers[i];
    const ledger = gradients[i];
    if (!times || !ledger) return;
    section.querySelectorAll("tr.change").forEach((row, n) => poseRow(row, times.rows[n] ?? 0, -1, end ? null : moment));
    write(section.querySelector(".now code"), end ? ledger.now : textAt(times.now, moment) || "None");
  });
}

/** A row that is there from one moment on, and changes at another; null for the end. */
function poseRow(row: Element, since: number, until: number, moment: number | null): void {
  row.classList.toggle("later", moment !== null && since > moment);
  row.classList.toggle("current", moment !== null && (since === moment || until === moment));
}

/** What is kept now, of all and of each line, and whether each saved tensor is not there yet, kept, or freed. */
export function poseSaved({ payload, state }: Context, root: Element): void {
  const { timeline, saved } = payload;
  if (!timeline) return;
  const moment = state.moment.value;
  const end = atEnd({ payload, state });
  const rows = new Map(saved.rows.map((row, i) => [row.id, [row, timeline.saved.lives[i] ?? [0, -1]] as const]));
  for (const element of root.querySelectorAll<HTMLElement>(".row")) {
    const [row, [since, until]] = rows.get(element.dataset["item"] ?? "") ?? [null, [0, -1]];
    if (!row) continue;
    poseRow(element, since, until, end ? null : moment);
    poseState(element.querySelector(".state"), row, end ? row.freed : until >= 0 && until <= moment, timeline);
  }
  write(root.querySelector(".total b"), end ? saved.total : textAt(timeline.saved.total, moment));
}

function poseState(place: Element | null, row: SavedRow, freed: boolean, timeline: Timeline): void {
  if (!place || place.classList.contains("freed") === freed) return;
  place.className = freed ? "state freed" : "state kept";
  replace(place, ...rich(freed === row.freed ? row.state : timeline.saved.kept));
}

/** Keeps what a panel shows at the present moment, while its tab is open, and scrolls there. */
export function inTime<E extends HTMLElement>(
  context: Context,
  tab: Tab,
  root: E,
  pose: (context: Context, root: Element) => void,
): E {
  const { state } = context;
  context.effect(() => {
    if (state.tab.value !== tab) return;
    void state.selection.value; // what it shows may be made anew with that
    pose(context, root);
    if (tab !== "details") untracked(() => follow(context, root));
  });
  // Rows that come when more of them are asked for.
  root.addEventListener("click", () => untracked(() => pose(context, root)));
  return root;
}

function follow(context: Context, root: Element): void {
  const panel = root.closest(".body");
  const current = atEnd(context) ? null : root.querySelector(".current:not(.mark)");
  if (panel && current) scrollWithin(panel, current);
}
