/** The proper layered graph: every edge joins neighbouring ranks, long edges run through dummy vertices. */
import { bytes, floats, group, ints, largest, lists, max, range, sortBy, total } from "./arrays";
import { longestPath, type Edges } from "./ranks";

/** A shared parameter of a long recurrence can ask for millions of dummies; edges beyond this go round the drawing. */
const DUMMY_BUDGET = 50_000;

/** Vertices 0..nodes-1 are nodes, the rest dummies. */
export interface ProperGraph extends Edges {
  readonly nodes: number;
  /** Of vertices, dummies included. */
  readonly count: number;
  readonly rank: Int32Array;
  /** Neighbours one rank before, and one rank after. */
  readonly upper: number[][];
  readonly lower: number[][];
  /** Of every edge: its first dummy and how many, in their order from tail to head. */
  readonly first: Int32Array;
  readonly span: Int32Array;
  /** The edge of dummy `nodes + i`. */
  readonly owner: Int32Array;
  /** Edges that are not in the graph: routed round the drawing. */
  readonly around: number[];
  /** Extent of every vertex across the ranks, 0 for dummies. */
  readonly breadth: Float64Array;
  /** Least distance of two nodes, of a node and an edge, of two edges. */
  readonly gaps: readonly [number, number, number];
  /** How many. */
  readonly ranks: number;
  /** Of every node: edges of the longest path to it, see `longestPath`. */
  readonly depth: Int32Array;
  /** Of every node: < 0 where it is held at the beginning, a line from outside. */
  readonly pins: Int32Array;
  /** Of every node: that of the line from outside where its longest path begins, or 0. */
  readonly precedence: Int32Array;
  /** Marks the vertices of a longest path. */
  readonly trunk: Uint8Array;
  /** Marks edges that should be straight even where operands are symmetric. */
  readonly stiff: Uint8Array;
  /** `rows[r]` lists rank r in order, `position` is its inverse. */
  rows: number[][];
  readonly position: Int32Array;
}

/** Least distance between the centres of two neighbours of a row. */
export function separation({ nodes, gaps, breadth }: ProperGraph, left: number, right: number): number {
  const gap = gaps[Number(left >= nodes) + Number(right >= nodes)]!;
  return (breadth[left]! + breadth[right]!) / 2 + gap;
}

/** Vertex `step` of those that an edge runs through, from 0, the tail, to `span + 1`, the head. */
export function along(graph: ProperGraph, edge: number, step: number): number {
  return step ? step <= graph.span[edge]! ? graph.first[edge]! + step - 1 : graph.heads[edge]! : graph.tails[edge]!;
}

/** Extent across the ranks if the trunk is straight: the widest side before it plus the widest after it. */
export function widthBesideTrunk(graph: ProperGraph): number {
  const { trunk, breadth } = graph;
  let before = 0;
  let after = 0;
  for (const row of graph.rows) {
    let sides = 0;
    let sum = breadth[row[0]!]! / 2;
    for (let i = 1; i < row.length; i++) {
      if (trunk[row[i - 1]!]) sides = sum;
      sum += separation(graph, row[i - 1]!, row[i]!);
    }
    const last = row[row.length - 1]!;
    if (trunk[last]) sides = sum;
    before = max(before, sides);
    after = max(after, sum + breadth[last]! / 2 - sides);
  }
  return before + after;
}

/** Takes over an order, updating `position`. */
export function setRows(graph: ProperGraph, rows: number[][]): void {
  graph.rows = rows;
  rows.forEach((row, rank) => setRow(graph, rank, row));
}

/** Takes over the order of one rank. */
export function setRow(graph: ProperGraph, rank: number, row: number[]): void {
  graph.rows[rank] = row;
  for (let i = 0; i < row.length; i++) graph.position[row[i]!] = i;
}

/**
 * Inserts dummies, shortest edges first, until the budget is used up. `gaps` = (between nodes, between edges); `pins`
 * are those of `pin`.
 */
export function properGraph(
  breadths: ArrayLike<number>, edges: Edges, ranks: Int32Array, gaps: readonly [number, number],
  pins = ints(breadths.length), budget = DUMMY_BUDGET,
): ProperGraph {
  const { tails, heads } = edges;
  const nodes = breadths.length;
  const wanted = tails.map((tail, edge) => ranks[heads[edge]!]! - ranks[tail]! - 1);
  const [first, span] = [ints(tails.length), ints(tails.length)];
  const indices = range(tails.length);
  const around: number[] = [];
  let count = nodes;
  for (const edge of total(wanted) <= budget ? indices : sortBy(indices, wanted)) {
    if (count - nodes + wanted[edge]! > budget) {
      around.push(edge);
      continue;
    }
    first[edge] = count;
    span[edge] = wanted[edge]!;
    count += wanted[edge]!;
  }
  const rank = ints(count);
  rank.set(ranks);
  const owner = ints(count - nodes);
  for (let edge = 0; edge < tails.length; edge++) {
    for (let i = 0; i < span[edge]!; i++) {
      rank[first[edge]! + i] = ranks[tails[edge]!]! + 1 + i;
      owner[first[edge]! + i - nodes] = edge;
    }
  }
  const breadth = floats(count);
  breadth.set(breadths);
  const graph: ProperGraph = {
    nodes, count, tails, heads, rank, upper: lists(count), lower: lists(count), first, span, owner,
    around: around.sort((a, b) => a - b), breadth, gaps: [gaps[0], (gaps[0] + gaps[1]) / 2, gaps[1]],
    ranks: largest(ranks) + 1, depth: longestPath(nodes, edges, pins), trunk: bytes(count),
    stiff: bytes(tails.length), pins, precedence: pins.map((pin) => max(0, -pin)), rows: [], position: ints(count),
  };
  link(graph);
  if (graph.precedence.some((value) => value)) passOn(graph);
  markTrunk(graph);
  return graph;
}

function link(graph: ProperGraph): void {
  const around = new Set(graph.around);
  for (let edge = 0; edge < graph.tails.length; edge++) {
    if (around.has(edge)) continue;
    let before = graph.tails[edge]!;
    for (let step = 1; step < graph.span[edge]! + 2; step++) {
      const after = along(graph, edge, step);
      graph.lower[before]!.push(after);
      graph.upper[after]!.push(before);
      before = after;
    }
  }
}

/** Hands precedence on along the longest paths. */
function passOn({ tails, heads, depth, precedence }: ProperGraph): void {
  for (const edge of sortBy(range(tails.length), tails.map((tail) => depth[tail]!))) {
    const [tail, head] = [tails[edge]!, heads[edge]!];
    if (depth[tail]! + 1 === depth[head]) precedence[head] = max(precedence[head]!, precedence[tail]!);
  }
}

/** Marks the vertices of one longest path of nodes, dummies of its edges included. */
function markTrunk(graph: ProperGraph): void {
  const { depth, tails, trunk, first, span } = graph;
  const { start, items } = group(graph.nodes, graph.heads);
  let vertex = 0;
  for (let v = 1; v < graph.nodes; v++) if (depth[v]! > depth[vertex]!) vertex = v;
  trunk[vertex] = 1;
  while (start[vertex] !== start[vertex + 1]) {
    let edge = items[start[vertex]!]!;
    for (let i = start[vertex]! + 1; i < start[vertex + 1]!; i++) {
      if (depth[tails[items[i]!]!]! > depth[tails[edge]!]!) edge = items[i]!;
    }
    trunk.fill(1, first[edge]!, first[edge]! + span[edge]!);
    vertex = tails[edge]!;
    trunk[vertex] = 1;
  }
}
