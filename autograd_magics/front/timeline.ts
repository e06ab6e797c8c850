/**
 * The moments of a recording: what is there at each, what changes from one to another, and playing them in turn.
 *
 * `state.moment` counts the events that are seen, from 0; the number of events itself is the end, where all stands as
 * the payload has it.  Nothing here knows the DOM.
 */
import { itemOf, type History, type Item, type Payload, type Picture, type PictureTimes, type Timeline } from "./payload";
import type { Index } from "./picture";
import { batch } from "./signals";
import type { State } from "./state";

export const SPEEDS = [0.5, 1, 2, 4, 8] as const;
/** How long a moment lasts at single speed. */
const MOMENT_MS = 1000;

/** Without events, as in a payload of an older version, there is nothing to go through. */
export function endOf({ timeline }: Payload): number {
  return timeline?.kinds.length ?? 0;
}

export function atEnd({ payload, state }: { payload: Payload; state: State }): boolean {
  return state.moment.value >= endOf(payload);
}

/** Goes to a moment, as far as there are any, and stops playing. */
export function goTo(payload: Payload, state: State, moment: number): void {
  batch(() => {
    state.playing.value = false;
    state.moment.value = Math.max(0, Math.min(moment, endOf(payload)));
  });
}

/** From the end it begins anew. */
export function togglePlay(payload: Payload, state: State): void {
  batch(() => {
    state.playing.value = !state.playing.value;
    if (state.playing.value && state.moment.value >= endOf(payload)) state.moment.value = 0;
  });
}

/** One moment further; at the end playing stops. */
export function advance(payload: Payload, state: State): void {
  batch(() => {
    state.moment.value = Math.min(state.moment.value + 1, endOf(payload));
    if (state.moment.value >= endOf(payload)) state.playing.value = false;
  });
}

/** How long the present moment is shown while it plays, in ms. */
export function duration(state: State): number {
  return MOMENT_MS / state.speed.value;
}

/** What a key of the timeline does; null where it is none of its keys. */
export function timelineKey(payload: Payload, state: State, key: string): (() => void) | null {
  if (endOf(payload) === 0) return null;
  const { value } = state.moment;
  const keys: Record<string, () => void> = {
    " ": () => togglePlay(payload, state),
    ",": () => goTo(payload, state, value - 1),
    ".": () => goTo(payload, state, value + 1),
    Home: () => goTo(payload, state, 0),
    End: () => goTo(payload, state, endOf(payload)),
  };
  return Object.hasOwn(keys, key) ? (keys[key] ?? null) : null;
}

// -- what stands there at a moment

/** The index of what a history has at a moment; -1 before its first text. */
export function turnAt(history: History, moment: number): number {
  let [low, high] = [0, history.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((history[middle]?.[0] ?? 0) <= moment) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export function textAt(history: History | undefined, moment: number): string {
  return history?.[turnAt(history, moment)]?.[1] ?? "";
}

/** What the present event is about, the best to be shown first; nothing at the end. */
export function itemsAt(timeline: Timeline | undefined, moment: number): Item[] {
  return timeline?.items[moment] ?? [];
}

/** The backward that runs at a moment: the index of the event with which it began. */
export function runningAt({ runs }: Timeline, moment: number): number | null {
  return runs.find(([begin, end]) => begin <= moment && moment <= end)?.[0] ?? null;
}

/** How a box or wire looks at a moment. */
export interface Look {
  /** It is not there yet. */
  later: boolean;
  /** What stands under it; null: as at the end. */
  below: string | null;
  /** Whether that came there at this very moment. */
  fresh: boolean;
  /** What backward needs of it: nothing yet, kept, or freed. */
  kept: string;
  /** None of the findings on it has come yet. */
  innocent: boolean;
  current: boolean;
}

const AT_END: Look = { later: false, below: null, fresh: false, kept: "", innocent: false, current: false };

/** The looks of one picture's boxes and wires, by id, and which of them differ between two moments. */
export class Looks {
  readonly #born = new Map<string, number>();
  readonly #below = new Map<string, History>();
  readonly #kept = new Map<string, History>();
  readonly #guilty = new Map<string, number>();
  readonly #turns = new Map<number, string[]>();
  readonly #index: Index;
  readonly #timeline: Timeline;

  constructor(index: Index, timeline: Timeline, times: PictureTimes, findings: ReadonlyMap<Item, number>) {
    this.#index = index;
    this.#timeline = timeline;
    const { tree, slots } = index.scopes;
    // Where something is folded times are those of all boxes; a group comes with the first of what is in it.
    const whole = times.born.length === tree.boxes.length;
    [...index.boxes.values()].forEach((box, n) => {
      const group = index.scopes.group(box.id);
      const i = whole ? (group?.first ?? slots.get(box.id) ?? -1) : n;
      this.#add(this.#born, box.id, times.born[i] ?? 0);
      if (group) return;
      this.#follow(this.#below, box.id, times.below[i]);
      this.#follow(this.#kept, box.id, times.kept[i]);
      if (box.severity !== "") this.#add(this.#guilty, box.id, findings.get(itemOf(box.id)) ?? 0);
    });
    for (const { id, from, to } of index.picture.wires) {
      this.#add(this.#born, id, Math.max(this.#born.get(from) ?? 0, this.#born.get(to) ?? 0));
    }
  }

  #add(table: Map<string, number>, id: string, moment: number): void {
    table.set(id, moment);
    this.#turn(moment, id);
  }

  #follow(table: Map<string, History>, id: string, history: History | undefined): void {
    if (!history) return;
    table.set(id, history);
    for (const [moment] of history) this.#turn(moment, id);
  }

  #turn(moment: number, id: string): void {
    const known = this.#turns.get(moment);
    if (known) known.push(id);
    else this.#turns.set(moment, [id]);
  }

  at(id: string, moment: number, current: ReadonlySet<string>): Look {
    if (moment >= this.#timeline.kinds.length) return AT_END;
    const below = this.#below.get(id);
    const turn = below ? turnAt(below, moment) : -1;
    const text = below?.[turn]?.[1] ?? "";
    return {
      later: (this.#born.get(id) ?? 0) > moment,
      below: !below || (turn === below.length - 1 && turn >= 0) ? null : text,
      fresh: below?.[turn]?.[0] === moment,
      kept: textAt(this.#kept.get(id), moment),
      innocent: (this.#guilty.get(id) ?? 0) > moment,
      current: current.has(id),
    };
  }

  /** The boxes of the event of a moment; of one that is drawn several times those where it changes something. */
  current(moment: number): Set<string> {
    for (const item of itemsAt(this.#timeline, moment)) {
      const ids = this.#index.at(item).map((box) => box.id);
      const there = ids.filter((id) => (this.#born.get(id) ?? 0) <= moment);
      const turning = there.filter((id) => this.#turns.get(moment)?.includes(id));
      if (there.length > 0) return new Set(turning.length > 0 ? turning : there);
    }
    return new Set();
  }

  /** What looks different at one moment and at the other; null: everything may. */
  between(one: number, other: number): Set<string> | null {
    const [low, high] = one < other ? [one, other] : [other, one];
    if (high >= this.#timeline.kinds.length) return null;
    const found = new Set([...this.current(one), ...this.current(other)]);
    // What came at the lower moment itself is fresh there, and no longer at the other.
    for (let moment = low; moment <= high; moment += 1) this.#turns.get(moment)?.forEach((id) => found.add(id));
    return found;
  }
}

/** By item the moment of the first finding on it; one on a node is also on the call that made it. */
export function findingsByItem({ findings, timeline, related }: Payload): Map<Item, number> {
  const found = new Map<Item, number>();
  const note = (item: Item, moment: number): void => {
    found.set(item, Math.min(moment, found.get(item) ?? moment));
  };
  for (const [moment, id] of timeline?.findings ?? []) {
    for (const link of findings.find((finding) => finding.id === id)?.links ?? []) {
      note(link, moment);
      const calls = link.startsWith("n") ? (related[link] ?? []).filter((item) => item.startsWith("c")) : [];
      calls.forEach((call) => note(call, moment));
    }
  }
  return found;
}

/** The times of a picture of the payload. */
export function timesOf({ pictures, timeline }: Payload, picture: Picture): PictureTimes | undefined {
  return timeline?.pictures[picture === pictures.backward ? "backward" : "forward"];
}

/** The item that details are told of while nothing is selected: that of the present event. */
export function toldItem({ payload, state }: { payload: Payload; state: State }): Item {
  if (state.selection.value !== "") return state.selection.value;
  const items = itemsAt(payload.timeline, state.moment.value).map(itemOf);
  return items.find((item) => payload.details[item]) ?? "";
}
