/**
 * Routes of the edges and the smooth curves through them.
 *
 * Everything here is in (along, across) coordinates: along grows with the rank, across within a rank; a route is a list
 * of both in turn. It is a polyline whose pieces are drawn as curves that start and end parallel to `along` and stay
 * inside the box spanned by their two ends. A piece may therefore leave its rank before the edge of the column only
 * where no other vertex of the rank lies between the two ends: so no curve runs over a node.
 */
import { abs, floats, max, min } from "./arrays";
import { along as vertexOf } from "./proper";
import { SAME, assignPorts, centreOf, type Core, type Placed } from "./ports";

/** One polyline for every edge of the proper graph, from the border of the tail to that of the head. */
export function routeEdges(placed: Placed): number[][] {
  const { graph, across, extents, edgeGap } = placed;
  const offsets = parallelOffsets(placed);
  const starts = assignPorts(placed, offsets, true);
  const ends = assignPorts(placed, offsets, false);
  const lanes = lanesOf(placed);
  let bottom = -Infinity;
  for (let v = 0; v < graph.count; v++) bottom = max(bottom, across[v]! + graph.breadth[v]! / 2);
  const routes: number[][] = [];
  for (let edge = 0; edge < graph.tails.length; edge++) {
    const [tail, head] = [graph.tails[edge]!, graph.heads[edge]!];
    const [from, to] = [starts[2 * edge + 1]!, ends[2 * edge + 1]!];
    const route = [starts[2 * edge]!, from];
    addPoint(route, centreOf(placed, tail) + extents[tail]! / 2, from);
    const lane = lanes.get(edge);
    if (lane) bendAround(placed, edge, route, bottom + lane * edgeGap, to);
    else bend(placed, edge, route, to, offsets[edge]!);
    addPoint(route, centreOf(placed, head) - extents[head]! / 2, to);
    finish(route, ends[2 * edge]!, to);
    routes.push(route);
  }
  return routes;
}

/** A self-loop: out at the end of the core, back beside the node in lane 1, 2, ... and in at its start. */
export function loopRoute(
  along: number, across: number, length: number, breadth: number, core: Core, gap: number, lane: number,
): number[] {
  const half = length / 2;
  const far = across + breadth / 2 + lane * gap;
  const turn = half + gap * lane / (lane + 1);
  const middle = (across + far) / 2;
  return [
    along + core[0] / 2, across, along + turn, middle, along + half, far,
    along - half, far, along - turn, middle, along - core[0] / 2, across,
  ];
}

/** Lanes 1, 2, ... for the edges that go round the drawing; those of one tail share a lane. */
function lanesOf({ graph }: Placed): Map<number, number> {
  const laneOfTail = new Map<number, number>();
  return new Map(graph.around.map((edge) => {
    const tail = graph.tails[edge]!;
    const lane = laneOfTail.get(tail) ?? laneOfTail.size + 1;
    laneOfTail.set(tail, lane);
    return [edge, lane];
  }));
}

/** Sideways offsets for edges that join the same two neighbours more than once. */
function parallelOffsets({ graph, edgeGap, held }: Placed): Float64Array {
  const offsets = floats(graph.tails.length);
  const groups = new Map<number, number[]>();
  for (let edge = 0; edge < offsets.length; edge++) {
    if (graph.span[edge] || held.has(edge)) continue;
    const key = graph.tails[edge]! * graph.nodes + graph.heads[edge]!;
    const known = groups.get(key);
    if (known) known.push(edge);
    else groups.set(key, [edge]);
  }
  for (const edges of groups.values()) {
    if (edges.length > 1) edges.forEach((edge, i) => (offsets[edge] = (i - (edges.length - 1) / 2) * edgeGap));
  }
  return offsets;
}

/** Inner points of a route: where it leaves a column, where it enters the next one, and between if offset. */
function bend(placed: Placed, edge: number, route: number[], to: number, offset: number): void {
  const { graph: { nodes, rank, tails, heads, span }, graph, across, starts, ends, edgeGap } = placed;
  const from = route[1]!;
  const apart = min(abs(from - across[tails[edge]!]!), abs(to - across[heads[edge]!]!));
  if (apart >= abs(offset)) offset = 0; // the ports alone keep parallel edges apart
  const wide = abs(offset) > edgeGap;
  let before = tails[edge]!;
  let start = from;
  for (let step = 1; step < span[edge]! + 2; step++) {
    const after = vertexOf(graph, edge, step);
    const end = after >= nodes ? across[after]! : to;
    if (offset || abs(start - end) >= SAME) {
      const [left, right] = [rank[before]!, rank[after]!];
      if (wide || blocked(placed, before, end, 1)) addPoint(route, ends[left]!, start);
      else if (before >= nodes) addPoint(route, (starts[left]! + ends[left]!) / 2, start);
      if (offset) addPoint(route, (ends[left]! + starts[right]!) / 2, (across[before]! + across[after]!) / 2 + offset);
      if (wide || blocked(placed, after, start, 0)) addPoint(route, starts[right]!, end);
      else if (after >= nodes) addPoint(route, (starts[right]! + ends[right]!) / 2, end);
    }
    [before, start] = [after, end];
  }
}

/**
 * Whether a neighbour in the row lies in the way of an edge of `vertex` on this side (0 before, 1 after).
 *
 * The farthest edge on the same side decides for all, or the nearer ones would leave earlier and be crossed.
 */
function blocked({ graph, across, reach, edgeGap }: Placed, vertex: number, towards: number, side: 0 | 1): boolean {
  const row = graph.rows[graph.rank[vertex]!]!;
  const onwards = towards >= across[vertex]!;
  const other = row[graph.position[vertex]! + (onwards ? 1 : -1)];
  if (other === undefined) return false;
  const [least, greatest] = reach[side]!;
  const half = graph.breadth[other]! / 2;
  return onwards
    ? across[other]! - half - edgeGap / 2 < greatest[vertex]!
    : across[other]! + half + edgeGap / 2 > least[vertex]!;
}

/** A way round the drawing: out into the gap, along a lane of its own beyond all rows, back through a gap. */
function bendAround(
  { graph, starts, ends, rankGap }: Placed, edge: number, route: number[], lane: number, to: number,
): void {
  const leave = ends[graph.rank[graph.tails[edge]!]!]!;
  const arrive = starts[graph.rank[graph.heads[edge]!]!]!;
  addPoint(route, leave, route[1]!);
  addPoint(route, leave + rankGap, lane);
  addPoint(route, arrive - rankGap, lane);
  addPoint(route, arrive, to);
}

/** Adds an inner point unless it repeats the last one. */
export function addPoint(route: number[], along: number, across: number): void {
  if (!isLast(route, along, across)) append(route, along, across);
}

/** Adds the last point, in the place of the one before where that is the same. */
function finish(route: number[], along: number, across: number): void {
  if (route.length > 2 && isLast(route, along, across)) route.length -= 2;
  append(route, along, across);
}

function isLast(route: number[], along: number, across: number): boolean {
  return abs(along - route[route.length - 2]!) + abs(across - route[route.length - 1]!) < SAME;
}

/** Adds a point; of a straight run along only the ends stay. */
function append(route: number[], along: number, across: number): void {
  const size = route.length;
  const straight = size > 2
    && abs(route[size - 3]! - across) < SAME && abs(route[size - 1]! - across) < SAME;
  if (straight) route.length -= 2;
  route.push(along, across);
}
