/**
 * Brings given coordinates to the least width that the straight lines allow, bending long edges where they forbid it.
 *
 * With all blocks rigid, the width is a longest path over the blocks: row by row it adds up separations, and where a
 * straight line is entered in one rank and left in another one, two wide ranks add up. Such a line is cut at a dummy.
 */
import { floats, group, ints, max, min, type Groups } from "./arrays";
import { rigidBlocks, type Blocks } from "./blocks";
import { edges } from "./coordinates";
import { widthBesideTrunk, type ProperGraph } from "./proper";
import type { Straight } from "./trunk";

/** Vertices visited while looking for lines to bend. */
const WORK = 20_000;
/** Of the width of the widest rank beside the trunk. */
const ENOUGH = 1.02;
/** Times the goal: then lines between nodes are bent, too. */
const TOO_WIDE = 1.2;
/** Pixels. */
const WORTH = 1;

/** Neighbours in the rows that are of different blocks, by the block of the left one. */
interface Pairs extends Groups {
  readonly left: number[];
  readonly right: number[];
  /** Least difference of the shifts. */
  readonly distance: number[];
}

/** Blocks pushed to the left: their shifts, what each one leans on, and the width that results. */
interface Spread {
  readonly blocks: Blocks;
  readonly pairs: Pairs;
  readonly order: number[];
  readonly shift: Float64Array;
  /** The pair that sets the shift, or -1. */
  readonly leans: Int32Array;
  readonly width: number;
  /** The vertex at the right edge. */
  readonly last: number;
}

/** Shifts blocks into the least width, each as little as possible. Returns whether anything moved. */
export function squeeze(graph: ProperGraph, x: Float64Array, separation: Float64Array, straight: Straight): boolean {
  const [left, right] = edges(x, graph.breadth);
  const goal = widthBesideTrunk(graph) * ENOUGH;
  if (right - left <= goal) return false;
  let spread = pushLeft(graph, x, separation, straight, left);
  let work = WORK;
  while (spread && spread.width > goal && work > 0) {
    const vertex = bottleneck(graph, spread, straight, goal * TOO_WIDE);
    if (vertex < 0) break;
    straight.above[straight.below[vertex]!] = -1;
    straight.below[vertex] = -1;
    spread = pushLeft(graph, x, separation, straight, left);
    work -= graph.count;
  }
  if (!spread || right - left - spread.width < WORTH) return false;
  clamp(graph, x, spread, left, right);
  return true;
}

/** Least shifts that keep all separations and the left edge; null if blocks interlock. */
function pushLeft(
  graph: ProperGraph, x: Float64Array, separation: Float64Array, straight: Straight, left: number,
): Spread | null {
  const blocks = rigidBlocks(graph, x, straight);
  const { members, of } = blocks;
  const pairs = neighbours(graph, x, separation, of, members.length);
  const waiting = ints(members.length);
  for (const vertex of pairs.right) waiting[of[vertex]!]!++;
  const shift = floats(members.length);
  members.forEach((block, index) => {
    let most = -Infinity;
    for (const v of block) most = max(most, left - x[v]! + graph.breadth[v]! / 2);
    if (block.length) shift[index] = most;
  });
  const leans = ints(members.length, -1);
  const order: number[] = [];
  waiting.forEach((count, block) => count || order.push(block));
  for (let at = 0; at < order.length; at++) {
    const block = order[at]!;
    for (let i = pairs.start[block]!; i < pairs.start[block + 1]!; i++) {
      const pair = pairs.items[i]!;
      const other = of[pairs.right[pair]!]!;
      const least = shift[block]! + pairs.distance[pair]!;
      if (least > shift[other]!) {
        shift[other] = least;
        leans[other] = pair;
      }
      if (!--waiting[other]!) order.push(other);
    }
  }
  if (order.length < members.length) return null;
  let [most, last] = [-Infinity, 0];
  for (let v = 0; v < graph.count; v++) {
    const end = x[v]! + shift[of[v]!]! + graph.breadth[v]! / 2;
    if (end > most) [most, last] = [end, v];
  }
  return { blocks, pairs, order, shift, leans, width: most - left, last };
}

function neighbours(
  graph: ProperGraph, x: Float64Array, separation: Float64Array, of: Int32Array, count: number,
): Pairs {
  const [left, right, distance, firsts]: [number[], number[], number[], number[]] = [[], [], [], []];
  for (const row of graph.rows) {
    for (let i = 1; i < row.length; i++) {
      const [a, b] = [row[i - 1]!, row[i]!];
      if (of[a] === of[b]) continue;
      left.push(a);
      right.push(b);
      distance.push(separation[b]! - (x[b]! - x[a]!));
      firsts.push(of[a]!);
    }
  }
  return { left, right, distance, ...group(count, firsts) };
}

/**
 * The upper end of a segment to bend, or -1: on a line that joins two ranks of the longest path, best where a long edge
 * leaves a node.
 */
function bottleneck(
  { rank, nodes, trunk }: ProperGraph, { blocks, pairs, leans, last, width }: Spread, { below }: Straight,
  tooWide: number,
): number {
  let leave = last;
  let fallback = -1;
  for (;;) {
    const pair = leans[blocks.of[leave]!]!;
    if (pair < 0) return fallback;
    const enter = pairs.right[pair]!;
    const [top, bottom] = rank[enter]! <= rank[leave]! ? [enter, leave] : [leave, enter];
    for (let vertex = top; vertex !== bottom && below[vertex]! >= 0; vertex = below[vertex]!) {
      if (trunk[vertex]) continue;
      const ends = Number(vertex < nodes) + Number(below[vertex]! < nodes);
      if (ends === 1) return vertex;
      if (fallback < 0 && (!ends || width > tooWide)) fallback = vertex;
    }
    leave = pairs.left[pair]!;
  }
}

/**
 * Every shift clamped between its least and its greatest value keeps all separations.
 *
 * (The larger, or the smaller, of two solutions of difference constraints is a solution as well.)
 */
function clamp(graph: ProperGraph, x: Float64Array, spread: Spread, left: number, right: number): void {
  const { blocks: { members, of }, pairs, order, shift, width } = spread;
  const frame = left + width;
  const greatest = floats(members.length);
  members.forEach((block, index) => {
    let least = Infinity;
    for (const v of block) least = min(least, frame - x[v]! - graph.breadth[v]! / 2);
    if (block.length) greatest[index] = least;
  });
  for (let at = order.length - 1; at >= 0; at--) {
    const block = order[at]!;
    for (let i = pairs.start[block]!; i < pairs.start[block + 1]!; i++) {
      const pair = pairs.items[i]!;
      greatest[block] = min(greatest[block]!, greatest[of[pairs.right[pair]!]!]! - pairs.distance[pair]!);
    }
  }
  const trunk = of[graph.trunk.indexOf(1)]!;
  const free = -(shift[trunk]! + greatest[trunk]!) / 2;
  const offset = max(0, min(right - left - width, free));
  for (let v = 0; v < graph.count; v++) {
    const block = of[v]!;
    x[v]! += max(shift[block]! + offset, min(greatest[block]! + offset, 0));
  }
}
