/**
 * Layered layout of a directed graph: coordinates of boxes and routes of edges. What `views/layout` does in Python, to
 * the pixel: `tests/golden/layout.json` holds both to it.
 *
 * The classical pipeline of Gansner, Koutsofios, North and Vo (1993), every stage without recursion:
 *
 *     ranks        cycles turned round, ranks by network simplex (simplex)
 *     proper       dummies for edges that pass ranks
 *     order        few crossings (sweeps, reinsertion, crossings), parameters on both sides (operands)
 *     trunk        which lines are straight
 *     coordinates  Brandes-Köpf blocks; then a narrower drawing (squeeze, blocks), shorter edges (tighten)
 *     routes       edges that run over no node, their ends (ports) and their curves (curves)
 *
 * The same input gives the same picture, always.
 */
import { floats, group, ints, max, min } from "./arrays";
import { assignCoordinates } from "./coordinates";
import { orderRanks } from "./order";
import { centreOf, reachOf, widenReach, type Core, type Ends, type Placed } from "./ports";
import { properGraph } from "./proper";
import { assignRanks, backEdges, pin, type Edges } from "./ranks";
import { loopRoute, routeEdges } from "./routes";
import { straightSegments } from "./trunk";

export type Size = readonly [width: number, height: number];
export type Shape = "circle" | "box" | "wire";

export interface Options {
  /** Edges go from left to right ("LR") or downwards ("TB"). */
  readonly direction?: "LR" | "TB";
  /** Pixels that boxes, ranks and lines keep apart. */
  readonly nodeGap?: number;
  readonly rankGap?: number;
  readonly edgeGap?: number;
  /** The drawn shapes in the middle of the boxes, on whose border edges end; a wire has no height. */
  readonly cores?: readonly (readonly [width: number, height: number, shape: Shape])[];
  /** Nodes without inputs in the first rank (-1), nodes without outputs in the last one (1), others anywhere (0). */
  readonly pins?: ArrayLike<number>;
  /** For each edge how far across from the middle of its tail and of its head it must meet them. */
  readonly ends?: readonly Ends[];
}

/** Where everything goes, in pixels, from (0, 0) to (width, height). */
export interface Layout {
  /** Centres of the nodes. */
  x: Float64Array;
  y: Float64Array;
  width: number;
  height: number;
  /** Of every edge, x and y in turn: from the border of its tail to that of its head; see `curve`. */
  routes: number[][];
  crossings: number;
  /** Of every node, from 0 in each connected component. */
  ranks: Int32Array;
}

/** The whole graph in (along, across) coordinates. */
interface Input {
  readonly lengths: Float64Array;
  readonly breadths: Float64Array;
  readonly edges: Edges;
  readonly cores: readonly Core[];
  readonly nodeGap: number;
  readonly rankGap: number;
  readonly edgeGap: number;
  readonly pins: ArrayLike<number> | undefined;
  readonly ends: readonly Ends[] | undefined;
  /** Of every node, its place in its component. */
  readonly place: Int32Array;
}

/** One component: its nodes and edges, then as it is laid out on its own. */
interface Part {
  readonly nodes: Int32Array;
  readonly edges: Int32Array;
}
interface Drawn extends Part {
  readonly along: Float64Array;
  readonly across: Float64Array;
  readonly routes: number[][];
  readonly crossings: number;
  readonly ranks: Int32Array;
}

/** Places boxes of the given sizes; see `layout` in Python for what is promised. */
export function layout(
  sizes: readonly Size[], pairs: readonly (readonly [number, number])[], options: Options = {},
): Layout {
  const down = options.direction === "TB";
  const { nodeGap = 18, rankGap = 26, edgeGap = 10, cores, pins, ends } = options;
  const edges = {
    tails: Int32Array.from(pairs, (pair) => pair[0]), heads: Int32Array.from(pairs, (pair) => pair[1]),
  };
  const graph: Input = {
    lengths: Float64Array.from(sizes, (size) => size[down ? 1 : 0]),
    breadths: Float64Array.from(sizes, (size) => size[down ? 0 : 1]),
    edges, nodeGap, rankGap, edgeGap, pins, ends,
    cores: sizes.map((size, i) => coreOf(cores ? cores[i]! : [...size, "box"], down)),
    place: ints(sizes.length),
  };
  return assemble(graph, components(sizes.length, edges).map((part) => layOut(graph, part)), down);
}

function coreOf([width, height, shape]: readonly [number, number, Shape], down: boolean): Core {
  if (shape === "wire") return down ? [height, 0, "box"] : [width, 0, "box"];
  return down ? [height, width, shape] : [width, height, shape];
}

/** Nodes and edge indices of every connected component, in the order of the first nodes. */
function components(count: number, { tails, heads }: Edges): Part[] {
  const [out, back] = [group(count, tails), group(count, heads)];
  const component = ints(count, -1);
  let found = 0;
  const stack: number[] = [];
  const reach = (node: number): void => {
    if (component[node]! >= 0) return;
    component[node] = found;
    stack.push(node);
  };
  for (let start = 0; start < count; start++) {
    if (component[start]! >= 0) continue;
    reach(start);
    while (stack.length) {
      const node = stack.pop()!;
      for (let i = out.start[node]!; i < out.start[node + 1]!; i++) reach(heads[out.items[i]!]!);
      for (let i = back.start[node]!; i < back.start[node + 1]!; i++) reach(tails[back.items[i]!]!);
    }
    found++;
  }
  const nodes = group(found, component);
  const edges = group(found, tails.map((tail) => component[tail]!));
  return Array.from({ length: found }, (_, i) => ({
    nodes: nodes.items.subarray(nodes.start[i], nodes.start[i + 1]),
    edges: edges.items.subarray(edges.start[i], edges.start[i + 1]),
  }));
}

/** One component through all stages. */
function layOut(graph: Input, part: Part): Drawn {
  const { nodes } = part;
  const { place, edgeGap, rankGap } = graph;
  nodes.forEach((node, i) => (place[node] = i));
  const [tails, heads] = [graph.edges.tails, graph.edges.heads].map((ends) => part.edges.map((i) => place[ends[i]!]!));
  const loops = ints(nodes.length);
  tails!.forEach((tail, i) => tail === heads![i] && loops[tail]!++);
  const proper = { tails: tails!.filter((v, i) => v !== heads![i]), heads: heads!.filter((v, i) => v !== tails![i]) };
  const turned = backEdges(nodes.length, proper);
  turned.forEach((back, i) => {
    if (back) [proper.tails[i], proper.heads[i]] = [proper.heads[i]!, proper.tails[i]!];
  });
  const ranks = assignRanks(nodes.length, proper);
  const pins = graph.pins && nodes.map((node) => graph.pins![node]!);
  if (pins) pin(ranks, pins, proper);
  // Room for the self-loops beside a node, the same on both sides so that its centre stays in the middle.
  const lengths = Float64Array.from(nodes, (node, i) => graph.lengths[node]! + (loops[i] ? 2 * edgeGap : 0));
  const breadths = Float64Array.from(nodes, (node, i) => graph.breadths[node]! + 2 * edgeGap * loops[i]!);
  const layered = properGraph(breadths, proper, ranks, [graph.nodeGap, edgeGap], pins);
  const held = heldEnds(graph, part.edges.filter((_, i) => tails![i] !== heads![i]), turned);
  for (const edge of held.keys()) layered.stiff[edge] = 1;
  const crossings = orderRanks(layered);
  const across = assignCoordinates(layered, straightSegments(layered));
  const placed: Placed = {
    graph: layered, across, held, rankGap, edgeGap, ...columns(layered.rows, lengths, rankGap),
    extents: Array.from(nodes, (node) => graph.lengths[node]!), cores: Array.from(nodes, (node) => graph.cores[node]!),
    reach: [reachOf(layered.upper, across), reachOf(layered.lower, across)],
  };
  widenReach(placed);
  const routes = routeEdges(placed);
  turned.forEach((back, i) => back && turnRound(routes[i]!));
  const along = lengths.map((_, i) => centreOf(placed, i));
  const drawn = { ...part, along, across: across.subarray(0, nodes.length), routes, crossings, ranks };
  if (routes.length < tails!.length) drawn.routes = withLoops(graph, drawn, tails!, heads!);
  return drawn;
}

/** By edge of the proper graph: where it must meet its ends. */
function heldEnds({ ends }: Input, edges: Int32Array, turned: Uint8Array): Map<number, Ends> {
  const held = new Map<number, Ends>();
  if (ends) edges.forEach((edge, i) => {
    const [atTail, atHead] = ends[edge]!;
    if (atTail !== null || atHead !== null) held.set(i, turned[i] ? [atHead, atTail] : [atTail, atHead]);
  });
  return held;
}

/** The routes of all edges: those given, and self-loops in between. */
function withLoops(
  graph: Input, { nodes, along, across, routes }: Drawn, tails: Int32Array, heads: Int32Array,
): number[][] {
  const used = ints(nodes.length);
  let next = 0;
  return Array.from(tails, (tail, i) => {
    if (tail !== heads[i]) return routes[next++]!;
    const node = nodes[tail]!;
    return loopRoute(
      along[tail]!, across[tail]!, graph.lengths[node]!, graph.breadths[node]!, graph.cores[node]!, graph.edgeGap,
      ++used[tail]!,
    );
  });
}

function turnRound(route: number[]): void {
  route.reverse();
  swapPairs(route);
}

function swapPairs(route: number[]): void {
  for (let i = 0; i < route.length; i += 2) [route[i], route[i + 1]] = [route[i + 1]!, route[i]!];
}

function columns(rows: number[][], lengths: Float64Array, gap: number): { starts: Float64Array; ends: Float64Array } {
  const [starts, ends] = [floats(rows.length), floats(rows.length)];
  let start = 0;
  rows.forEach((row, rank) => {
    let extent = 0;
    for (const v of row) if (v < lengths.length) extent = max(extent, lengths[v]!);
    starts[rank] = start;
    ends[rank] = start + extent;
    start += extent + gap;
  });
  return { starts, ends };
}

/** Puts the components beside each other, each moved so that it starts at 0 along, and turns to x and y. */
function assemble(graph: Input, parts: Drawn[], down: boolean): Layout {
  const count = graph.lengths.length;
  const [along, across, ranks] = [floats(count), floats(count), ints(count)];
  const routes: number[][] = new Array<number[]>(graph.edges.tails.length);
  let [length, breadth, crossings] = [0, 0, 0];
  for (const part of parts) {
    const [lowAlong, highAlong, low, high] = bounds(graph, part);
    if (breadth) breadth += graph.nodeGap;
    const shift = breadth - low;
    part.nodes.forEach((node, i) => {
      along[node] = part.along[i]! - lowAlong;
      across[node] = part.across[i]! + shift;
      ranks[node] = part.ranks[i]!;
    });
    part.edges.forEach((edge, at) => {
      const route = part.routes[at]!;
      for (let i = 0; i < route.length; i += 2) {
        route[i]! -= lowAlong;
        route[i + 1]! += shift;
      }
      if (down) swapPairs(route);
      routes[edge] = route;
    });
    length = max(length, highAlong - lowAlong);
    breadth += high - low;
    crossings += part.crossings;
  }
  const [x, y, width, height] = down ? [across, along, breadth, length] : [along, across, length, breadth];
  return { x, y, width, height, routes, crossings, ranks };
}

/** Least and greatest along, least and greatest across, of boxes and routes. */
function bounds({ lengths, breadths }: Input, part: Drawn): [number, number, number, number] {
  let [lowAlong, highAlong, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  const add = (along: number, across: number, length: number, breadth: number): void => {
    lowAlong = min(lowAlong, along - length);
    highAlong = max(highAlong, along + length);
    low = min(low, across - breadth);
    high = max(high, across + breadth);
  };
  part.nodes.forEach((node, i) => add(part.along[i]!, part.across[i]!, lengths[node]! / 2, breadths[node]! / 2));
  for (const route of part.routes) for (let i = 0; i < route.length; i += 2) add(route[i]!, route[i + 1]!, 0, 0);
  return [lowAlong, highAlong, low, high];
}
