/** What the reader chose.  Nothing here knows the DOM. */
import { openingLanguage } from "./language";
import type { Way } from "./path";
import { firstOpen, type Open } from "./scopes";
import { batch, signal, type Signal } from "./signals";
import type { Ask, Nudged } from "./nudge";
import type { Item, Payload } from "./payload";
import type { View } from "./viewport";

export const MODES = ["forward", "backward", "both"] as const;
export const TABS = ["details", "gradients", "saved", "findings", "source"] as const;
export type Mode = (typeof MODES)[number];
export type Tab = (typeof TABS)[number];

export interface State {
  mode: Signal<Mode>;
  /** The order of derivatives that is shown while the rest is faint; 0 for all. */
  layer: Signal<number>;
  /** Whether the graph is coloured by the sizes of gradients. */
  health: Signal<boolean>;
  tab: Signal<Tab>;
  /** Code of the language in which all is said. */
  lang: Signal<string>;
  /** The selected item, or "". */
  selection: Signal<Item>;
  /** The box that the keyboard is on: the one tab stop of the graph. */
  cursor: Signal<string>;
  query: Signal<string>;
  /** The groups that are unfolded. */
  open: Signal<Open>;
  /** Where the path leads that is shown of what is selected. */
  path: Signal<Way | "">;
  /** Whether long wires are faint. */
  calm: Signal<boolean>;
  view: Signal<View>;
  /** Whether `view` is still the one that was computed, not one that the reader moved to. */
  untouched: Signal<boolean>;
  /** Whether a kernel listens. */
  live: Signal<boolean>;
  /** What the kernel was asked last about a small change of a leaf, and what it answered last. */
  asked: Signal<Ask | null>;
  nudged: Signal<Nudged | null>;
  /** The event of the recording that is shown; their number where the end is, as at first. */
  moment: Signal<number>;
  playing: Signal<boolean>;
  speed: Signal<number>;
}

export function newState(payload: Payload): State {
  const forward = payload.pictures.forward.boxes.length > 0 || payload.pictures.backward.boxes.length === 0;
  return {
    mode: signal<Mode>(forward ? "both" : "backward"),
    layer: signal(0),
    health: signal(false),
    tab: signal<Tab>("details"),
    lang: signal(openingLanguage(payload)),
    selection: signal(""),
    cursor: signal(""),
    query: signal(""),
    open: signal(firstOpen(payload)),
    path: signal<Way | "">(""),
    calm: signal(false),
    view: signal<View>({ x: 0, y: 0, k: 1 }),
    untouched: signal(true),
    live: signal(false),
    asked: signal<Ask | null>(null),
    nudged: signal<Nudged | null>(null),
    moment: signal(payload.timeline?.kinds.length ?? 0),
    playing: signal(false),
    speed: signal(1),
  };
}

export function isMode(name: unknown): name is Mode {
  return (MODES as readonly unknown[]).includes(name);
}

export function isTab(name: unknown): name is Tab {
  return (TABS as readonly unknown[]).includes(name);
}

export function setMode(state: State, mode: Mode): void {
  batch(() => {
    state.mode.value = mode;
    state.untouched.value = true;
  });
}
