/**
 * Where edges meet the drawn shapes of their nodes.
 *
 * Several edges on one side of a node keep apart, in the order of the vertices they come from or go to; an edge that
 * runs straight on meets the middle, and so does an edge that is alone on its side.
 */
import { abs, floats, group, max, min } from "./arrays";
import { along, type ProperGraph } from "./proper";

/** The drawn shape of a node: extent along, extent across. */
export type Core = readonly [along: number, across: number, shape: "circle" | "box"];

/** How far across from the middle of its tail and of its head an edge must meet them, null for anywhere. */
export type Ends = readonly [atTail: number | null, atHead: number | null];

/** Of the breadth of a core: edges meet a box this far from its middle at most. */
const BOX_SHARE = 0.35;
/** Of the radius: so much across from the middle is about 40 degrees. */
const CIRCLE_SHARE = 0.65;
/** Pixels: nearer than this counts as the same place. */
export const SAME = 0.05;

/** Of every vertex: least and greatest across. */
export type Reach = readonly [least: Float64Array, greatest: Float64Array];

/** A component with coordinates: what routing needs to know. */
export interface Placed {
  readonly graph: ProperGraph;
  /** Of every vertex. */
  readonly across: Float64Array;
  /** Start and end of every rank along. */
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  /** Of the boxes of the nodes, along. */
  readonly extents: readonly number[];
  readonly cores: readonly Core[];
  readonly rankGap: number;
  readonly edgeGap: number;
  /** Of the edges that must meet a node at a certain place. */
  readonly held: ReadonlyMap<number, Ends>;
  /** Of its neighbours. */
  readonly reach: readonly [before: Reach, after: Reach];
}

/** Least and greatest across of the neighbours of every vertex. */
export function reachOf(neighbours: number[][], across: Float64Array): Reach {
  const [least, greatest] = [across.slice(), across.slice()];
  neighbours.forEach((near, vertex) => {
    if (!near.length) return;
    least[vertex] = Infinity;
    greatest[vertex] = -Infinity;
    for (const v of near) {
      least[vertex] = min(least[vertex]!, across[v]!);
      greatest[vertex] = max(greatest[vertex]!, across[v]!);
    }
  });
  return [least, greatest];
}

/** Takes the places that edges are held at into account. */
export function widenReach({ graph, across, held, reach }: Placed): void {
  const widen = ([least, greatest]: Reach, vertex: number, level: number): void => {
    least[vertex] = min(least[vertex]!, level);
    greatest[vertex] = max(greatest[vertex]!, level);
  };
  for (const [edge, [atTail, atHead]] of held) {
    widen(reach[0], along(graph, edge, 1), across[graph.tails[edge]!]! + (atTail ?? 0));
    widen(reach[1], along(graph, edge, graph.span[edge]!), across[graph.heads[edge]!]! + (atHead ?? 0));
  }
}

/** Along coordinate of a node: the middle of its column. */
export function centreOf({ graph, starts, ends }: Placed, node: number): number {
  const rank = graph.rank[node]!;
  return (starts[rank]! + ends[rank]!) / 2;
}

/** For every edge the point where it leaves its tail, or enters its head: along and across in turn. */
export function assignPorts(placed: Placed, offsets: Float64Array, atTail: boolean): Float64Array {
  const { graph, across } = placed;
  const nodes = atTail ? graph.tails : graph.heads;
  const around = new Set(graph.around);
  const distance = floats(nodes.length);
  const shifts = floats(nodes.length);
  for (let edge = 0; edge < nodes.length; edge++) {
    const other = along(graph, edge, atTail ? 1 : graph.span[edge]!);
    const far = graph.span[edge] ? 0 : placed.held.get(edge)?.[atTail ? 1 : 0];
    distance[edge] = (around.has(edge) ? Infinity : across[other]! + (far || offsets[edge]!)) - across[nodes[edge]!]!;
  }
  const { start, items } = group(graph.nodes, nodes);
  for (let node = 0; node < graph.nodes; node++) {
    const [from, to] = [start[node]!, start[node + 1]!];
    if (to - from > 1) spreadPorts(placed, placed.cores[node]!, Array.from(items.subarray(from, to)), distance, shifts);
  }
  const ports = floats(2 * nodes.length);
  for (let edge = 0; edge < nodes.length; edge++) {
    const node = nodes[edge]!;
    const shift = placed.held.get(edge)?.[atTail ? 0 : 1] ?? shifts[edge]!;
    const [extent, , shape] = placed.cores[node]!;
    let half = extent / 2;
    if (shape === "circle") half = Math.sqrt(max(half * half - shift * shift, 0));
    ports[2 * edge] = centreOf(placed, node) + (atTail ? half : -half);
    ports[2 * edge + 1] = across[node]! + shift;
  }
  return ports;
}

/** How far from the middle each edge of one side of a node meets it. */
function spreadPorts(
  { edgeGap }: Placed, [, breadth, shape]: Core, side: number[], distance: Float64Array, shifts: Float64Array,
): void {
  const limit = shape === "circle" ? breadth / 2 * CIRCLE_SHARE : breadth * BOX_SHARE;
  side.sort((a, b) => abs(distance[a]!) - abs(distance[b]!) || 0);
  for (const sign of [-1, 1]) {
    const edges = side.filter((edge) => distance[edge]! * sign > SAME);
    const step = min(edgeGap, limit / edges.length);
    edges.forEach((edge, place) => (shifts[edge] = sign * step * (place + 1)));
  }
}
