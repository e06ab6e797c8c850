/**
 * Improves given coordinates without bending a straight line: a narrower drawing, then shorter edges.
 *
 * Vertices move in rigid blocks: the straight lines, and a node with the operands that stand symmetrically before it.
 */
import { abs, floats, max, min } from "./arrays";
import { rigidBlocks, type Blocks } from "./blocks";
import type { ProperGraph } from "./proper";
import { squeeze } from "./squeeze";
import type { Straight } from "./trunk";

const ROUNDS = 8;
/** Pixels. */
const LEAST_MOVE = 0.01;

/**
 * The same order and at least the same separations, no wider and with edges no longer in sum; changes `x`.
 *
 * `straight` loses the segments that had to be bent to come near the width of the widest rank.
 */
export function tighten(graph: ProperGraph, x: Float64Array, separation: Float64Array, straight: Straight): void {
  shorten(graph, x, separation, rigidBlocks(graph, x, straight));
  if (squeeze(graph, x, separation, straight)) shorten(graph, x, separation, rigidBlocks(graph, x, straight));
}

/** Moves each block to the median of its neighbours as far as its rows allow, in alternating sweeps. */
function shorten(graph: ProperGraph, x: Float64Array, separation: Float64Array, blocks: Blocks): void {
  const { members, of } = blocks;
  const outside: number[][] = []; // of each block: neighbour, the vertex next to it, neighbour, ...
  let most = 0;
  for (let index = 0; index < members.length; index++) {
    const pairs: number[] = [];
    for (const v of members[index]!) {
      for (const other of graph.upper[v]!) if (of[other] !== index) pairs.push(other, v);
      for (const other of graph.lower[v]!) if (of[other] !== index) pairs.push(other, v);
    }
    outside.push(pairs);
    most = max(most, pairs.length / 2);
  }
  const distances = floats(most);
  for (let round = 0; round < ROUNDS; round++) {
    let moved = false;
    for (let step = 0; step < outside.length; step++) {
      const index = round % 2 ? step : outside.length - 1 - step;
      const pairs = outside[index]!;
      if (!pairs.length) continue;
      for (let i = 0; i < pairs.length; i += 2) distances[i >> 1] = x[pairs[i]!]! - x[pairs[i + 1]!]!;
      let shift = medianShift(distances.subarray(0, pairs.length >> 1));
      if (shift) shift = allowedShift(graph, x, separation, blocks, index, shift);
      if (abs(shift) <= LEAST_MOVE) continue;
      moved = true;
      for (const vertex of members[index]!) x[vertex]! += shift;
    }
    if (!moved) break;
  }
}

/** How far to the nearest point between the two middle values: there the total distance is least. */
function medianShift(distances: Float64Array): number {
  if (distances.length > 1) distances.sort();
  const low = distances[(distances.length - 1) >> 1]!;
  const high = distances[distances.length >> 1]!;
  return low > 0 ? low : high < 0 ? high : 0;
}

function allowedShift(
  { rows, position, rank }: ProperGraph, x: Float64Array, separation: Float64Array, { members, of }: Blocks,
  index: number, shift: number,
): number {
  for (const vertex of members[index]!) {
    const row = rows[rank[vertex]!]!;
    const other = row[position[vertex]! + (shift < 0 ? -1 : 1)];
    if (other === undefined || of[other] === index) continue;
    if (shift < 0) shift = max(shift, min(0, x[other]! + separation[vertex]! - x[vertex]!));
    else shift = min(shift, max(0, x[other]! - separation[other]! - x[vertex]!));
    if (!shift) break;
  }
  return shift;
}
