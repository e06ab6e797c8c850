/**
 * Counting crossings between neighbouring ranks.
 *
 * A crossing is an inversion among the ends of the edges (Barth, Jünger, Mutzel: "Simple and Efficient Bilayer Cross
 * Counting", GD 2002, JGAA 8 (2004)); here with a sorted list in place of their accumulator tree.
 */
import { ints, placeBehind, sort, total } from "./arrays";
import type { ProperGraph } from "./proper";

/** Crossings between rank r and r + 1, for every r. */
export function crossingsByGap(graph: ProperGraph): Int32Array {
  const counts = ints(graph.rows.length - 1);
  for (let rank = 0; rank < counts.length; rank++) counts[rank] = crossingsBetween(graph, rank);
  return counts;
}

export function crossings(graph: ProperGraph): number {
  return total(crossingsByGap(graph));
}

/** Crossings of all edges from rank `low` up to those into rank `high`. */
export function crossingsWithin(graph: ProperGraph, low: number, high: number): number {
  let count = 0;
  for (let rank = low; rank < high; rank++) count += crossingsBetween(graph, rank);
  return count;
}

/** Crossings of the edges from `rank` to the next one. */
export function crossingsBetween({ rows, position, lower }: ProperGraph, rank: number): number {
  const row = rows[rank]!;
  if (row.length < 2 || rows[rank + 1]!.length < 2) return 0;
  const passed: number[] = []; // sorted
  let count = 0;
  for (const vertex of row) {
    const below = lower[vertex]!;
    const ends = below.length === 1 ? [position[below[0]!]!] : sort(below.map((v) => position[v]!));
    for (const end of ends) {
      const after = passed.length - placeBehind(passed, end);
      count += after;
      if (after) passed.splice(passed.length - after, 0, end);
      else passed.push(end);
    }
  }
  return count;
}

/** Crossings that vanish when two neighbours of a row trade places (negative: that appear). */
export function swapGain(graph: ProperGraph, left: number, right: number): number {
  return sideGain(graph.position, graph.upper[left]!, graph.upper[right]!)
    + sideGain(graph.position, graph.lower[left]!, graph.lower[right]!);
}

function sideGain(position: Int32Array, mine: number[], theirs: number[]): number {
  let gain = 0;
  for (let i = 0; i < mine.length; i++) {
    const place = position[mine[i]!]!;
    for (let j = 0; j < theirs.length; j++) {
      const other = position[theirs[j]!]!;
      if (place > other) gain++;
      else if (place < other) gain--;
    }
  }
  return gain;
}
