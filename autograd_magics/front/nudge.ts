/** A small change of one element of a leaf: what is asked of the kernel, one thing at a time, and what it answers. */
import type { Item } from "./payload";
import type { State } from "./state";

/** A leaf that can be nudged, as the payload has it. */
export interface Leaf {
  /** `reach`: how far the slider goes to either side. */
  elements: { name: string; value: string; reach: number }[];
}

export interface Ask {
  /** Tells the answers apart. */
  n: number;
  item: Item;
  element: number;
  step: number;
  lang: string;
}

export interface Nudged {
  n: number;
  /** Why there is nothing to show, or "". */
  error: string;
  rows: { label: string; value: string }[];
  lesson: string;
  /** By item: the values on the wires as the replay has them. */
  values: Record<Item, string>;
}

/** Positions of the slider to either side of 0. */
export const NOTCHES = 50;

/** The step at a position of the slider, without the dust of binary fractions. */
export function stepAt(position: number, reach: number): number {
  return Number(((position / NOTCHES) * reach).toPrecision(6));
}

/** An answer of the kernel; null for anything else. */
export function readAnswer(data: unknown): Nudged | null {
  const given = data as Partial<Nudged> | null | undefined;
  if (typeof given?.n !== "number") return null;
  return { n: given.n, error: given.error ?? "", rows: given.rows ?? [], lesson: given.lesson ?? "", values: given.values ?? {} };
}

type Wish = Omit<Ask, "n" | "lang">;

/**
 * Asks the kernel, and while it is still at work keeps only the latest wish: however fast the slider moves, at most
 * one replay waits.
 */
export class Asking {
  readonly #state: State;
  #n = Math.floor(Math.random() * 1e9);
  #waiting: Ask | null = null;
  #next: Wish | null = null;

  constructor(state: State) {
    this.#state = state;
  }

  /** Whether this answers what was asked here; then the next wish goes out. */
  takes(answer: Nudged): boolean {
    if (answer.n !== this.#waiting?.n) return false;
    const next = this.#next;
    this.#waiting = this.#next = null;
    if (next) this.ask(next);
    return true;
  }

  ask(wish: Wish): void {
    if (this.#waiting) {
      this.#next = wish;
      return;
    }
    this.#waiting = { ...wish, n: (this.#n += 1), lang: this.#state.lang.value };
    this.#state.asked.value = this.#waiting;
  }

  /** Whatever is answered from now on is for somebody else. */
  forget(): void {
    this.#waiting = this.#next = null;
  }
}
