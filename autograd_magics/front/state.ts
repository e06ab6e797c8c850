/** What the reader chose.  Nothing here knows the DOM. */
import { batch, signal, type Signal } from "./signals";
import type { Item, Payload } from "./payload";
import type { View } from "./viewport";

export const MODES = ["forward", "backward", "both"] as const;
export const TABS = ["details", "gradients", "saved", "findings", "source"] as const;
export type Mode = (typeof MODES)[number];
export type Tab = (typeof TABS)[number];

export interface State {
  mode: Signal<Mode>;
  tab: Signal<Tab>;
  /** The selected item, or "". */
  selection: Signal<Item>;
  /** The box that the keyboard is on: the one tab stop of the graph. */
  cursor: Signal<string>;
  query: Signal<string>;
  view: Signal<View>;
  /** Whether `view` is still the one that was computed, not one that the reader moved to. */
  untouched: Signal<boolean>;
  /** Whether a kernel listens. */
  live: Signal<boolean>;
}

export function newState(payload: Payload): State {
  const forward = payload.pictures.forward.boxes.length > 0 || payload.pictures.backward.boxes.length === 0;
  return {
    mode: signal<Mode>(forward ? "both" : "backward"),
    tab: signal<Tab>("details"),
    selection: signal(""),
    cursor: signal(""),
    query: signal(""),
    view: signal<View>({ x: 0, y: 0, k: 1 }),
    untouched: signal(true),
    live: signal(false),
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
