/** What goes into the layout of nested groups, and what comes out. */
import type { Shape } from "./index";

/**
 * What the layout knows of a box or group: over and under are heights from the middle of the core, `inner` is the width
 * of a shape that is narrower than its texts (lines go on to it), or 0.
 */
export type Item = [
  width: number, over: number, under: number, inner: number, core: number, coreHeight: number, shape: number,
];
export const FIELDS = 7;
export const SHAPES: readonly Shape[] = ["box", "circle", "wire"];

/** Boxes in groups, as numbers only, so that it goes to a worker in no time. */
export interface Nest {
  readonly boxes: number;
  /** `FIELDS` numbers for each box, then for each group when it is folded. */
  readonly items: Float64Array;
  /** Of each box its innermost group, of each group the one around it, which comes before it; -1 for none. */
  readonly scope: Int32Array;
  readonly parents: Int32Array;
  /** Index of the first box in each group. */
  readonly first: Int32Array;
  /** Width that the header of each group needs when it is open. */
  readonly heads: Float64Array;
  /** Links by index of boxes; the kind 0 is that of data. */
  readonly from: Int32Array;
  readonly to: Int32Array;
  readonly kinds: Uint8Array;
}

/** All that is seen. */
export interface Arrangement {
  width: number;
  height: number;
  /** Item and middle of its core, in the order in which they are drawn. */
  spots: [item: number, x: number, y: number][];
  /** Group, upper left corner, size, how many open groups are around it; from the outside in. */
  frames: [group: number, x: number, y: number, w: number, h: number, depth: number][];
  /** Items, kind and SVG path. */
  lines: [start: number, end: number, kind: number, d: string][];
}

/** Height of a frame's header, in px. */
export const HEAD = 22;
