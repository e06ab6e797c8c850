/** Ranks: the column of every node, every edge pointing to a higher rank, the edges as short as can be in total. */
import { bytes, floor, group, ints, largest, min, range, smallest } from "./arrays";
import { improve } from "./simplex";

export interface Edges {
  readonly tails: Int32Array;
  readonly heads: Int32Array;
}

/** Steps the network simplex may spend: optimal for everyday graphs, a bounded improvement for very large ones. */
const WORK_PER_NODE = 400;
const WORK_LIMIT = 3_000_000;

/** Which edges close a cycle, by depth-first search from the sources; turned round, the others are acyclic. */
export function backEdges(count: number, { tails, heads }: Edges): Uint8Array {
  const { start, items } = group(count, tails);
  const back = bytes(tails.length);
  const hasInput = bytes(count);
  for (const head of heads) hasInput[head] = 1;
  const state = bytes(count); // 0 new, 1 on the stack, 2 done
  const progress = start.slice();
  const stack: number[] = [];
  for (const from of [...range(count).filter((v) => !hasInput[v]), ...range(count)]) {
    if (state[from]) continue;
    state[from] = 1;
    stack.push(from);
    while (stack.length) {
      const vertex = stack[stack.length - 1]!;
      if (progress[vertex] === start[vertex + 1]) {
        state[vertex] = 2;
        stack.pop();
        continue;
      }
      const index = items[progress[vertex]!++]!;
      const head = heads[index]!;
      if (state[head] === 1) back[index] = 1;
      else if (!state[head]) {
        state[head] = 1;
        stack.push(head);
      }
    }
  }
  return back;
}

/** Nodes of an acyclic graph, tails before heads, and how many edges the longest path to each has. */
function depths(count: number, { tails, heads }: Edges, pins?: Int32Array): { order: Int32Array; depth: Int32Array } {
  const { start, items } = group(count, tails);
  const missing = ints(count);
  for (const head of heads) missing[head]!++;
  const order = ints(count);
  const depth = ints(count).map((_, i) => (pins && pins[i]! < 0 ? count : 0));
  let found = 0;
  for (let v = 0; v < count; v++) if (!missing[v]) order[found++] = v;
  for (let at = 0; at < found; at++) {
    const vertex = order[at]!;
    const below = depth[vertex]! + 1;
    for (let i = start[vertex]!; i < start[vertex + 1]!; i++) {
      const head = heads[items[i]!]!;
      if (depth[head]! < below) depth[head] = below;
      if (!--missing[head]!) order[found++] = head;
    }
  }
  return { order, depth };
}

/**
 * For every node of an acyclic graph: how many edges the longest path from a source to it has.
 *
 * Paths that come from a node held at the beginning, and those that end in one held at the end, count as longer than
 * all others: they go on outside.
 */
export function longestPath(count: number, edges: Edges, pins?: Int32Array): Int32Array {
  const { depth } = depths(count, edges, pins);
  return pins ? depth.map((value, i) => (pins[i]! > 0 ? value + count : value)) : depth;
}

/** Ranks from 0 of a connected acyclic graph with (nearly, for huge graphs) least total edge span. */
export function assignRanks(count: number, edges: Edges): Int32Array {
  const rank = pulledToConsumers(count, edges);
  const weight = new Map<number, number>();
  for (let edge = 0; edge < edges.tails.length; edge++) {
    const pair = edges.tails[edge]! * count + edges.heads[edge]!;
    weight.set(pair, (weight.get(pair) ?? 0) + 1);
  }
  const pairs = [...weight.keys()];
  const tails = Int32Array.from(pairs, (pair) => floor(pair / count));
  const heads = Int32Array.from(pairs, (pair) => pair % count);
  improve(rank, { tails, heads }, Int32Array.from(weight.values()), min(WORK_PER_NODE * count, WORK_LIMIT));
  const lowest = smallest(rank);
  return rank.map((value) => value - lowest);
}

/**
 * Moves sources that are held at the beginning (< 0) to the first rank, and sinks held at the end (1) to the last.
 *
 * Where one of those at the beginning has several edges, nothing else is in the first rank: they part before it.
 */
export function pin(ranks: Int32Array, pins: Int32Array, { tails }: Edges): void {
  const held = tails.filter((tail) => pins[tail]! < 0);
  const shift = Number(new Set(held).size < held.length && ranks.some((rank, i) => !rank && !pins[i]));
  const last = largest(ranks) + shift;
  for (let i = 0; i < ranks.length; i++) ranks[i] = pins[i] ? (pins[i]! < 0 ? 0 : last) : ranks[i]! + shift;
}

/**
 * Longest-path ranks with everything that has more or as many consumers than inputs moved next to them.
 *
 * A good start saves the simplex most of its pivots: parameters would otherwise all begin in rank 0.
 */
function pulledToConsumers(count: number, edges: Edges): Int32Array {
  const { start, items } = group(count, edges.tails);
  const inputs = ints(count);
  for (const head of edges.heads) inputs[head]!++;
  const { order, depth: rank } = depths(count, edges);
  for (let at = count - 1; at >= 0; at--) {
    const vertex = order[at]!;
    const [from, to] = [start[vertex]!, start[vertex + 1]!];
    if (from === to || to - from < inputs[vertex]!) continue;
    let least = Infinity;
    for (let i = from; i < to; i++) least = min(least, rank[edges.heads[items[i]!]!]!);
    rank[vertex] = least - 1;
  }
  return rank;
}
