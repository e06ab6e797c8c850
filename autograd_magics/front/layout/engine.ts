/** The layout of trees as one function. */
import { arrange, effort, type Known } from "./arrange";
import type { Arrangement, Nest } from "./nest";

export interface Engine {
  arrange: (nest: Nest, open: Uint8Array, known: Known) => Arrangement;
  effort: (nest: Nest, open: Uint8Array, before: Uint8Array | null) => number;
}

/**
 * Returns the layout. In the bundle (see inline.mjs) this function holds all that it needs in its own text, so that a
 * worker can be made of that text.
 */
export function engine(): Engine {
  return { arrange, effort };
}
