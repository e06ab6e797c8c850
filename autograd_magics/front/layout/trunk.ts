/**
 * The straight lines of the drawing: the trunk, the branches, and the inner segments of long edges.
 *
 * The graph is cut into paths, longest first: the trunk follows the deepest operand. Paths and the dummies of long
 * edges are to be drawn straight; where two such segments cross, the one of the longer path wins.
 */
import { bytes, group, ints, lists, placeBehind, range, sortBy, type Groups } from "./arrays";
import { along, type ProperGraph } from "./proper";

/** Two operands this short (in edges) and equally deep stand symmetrically instead of one of them on the line. */
const SYMMETRIC_DEPTH = 2;

/** For every vertex the vertex one rank before / after that must share its coordinate, or -1. */
export interface Straight {
  readonly above: Int32Array;
  readonly below: Int32Array;
}

/** Picks the segments that stay straight; chosen segments never cross each other and form disjoint paths. */
export function straightSegments(graph: ProperGraph): Straight {
  const { rank, count, position } = graph;
  const edges = graph.tails.length;
  const place = paths(graph);
  // The segments in the order of precedence (no two paths share one, no two edges a dummy), by rank.
  const around = new Set(graph.around);
  const precedence = place.map((path, edge) => (path < 0 ? edges + edge : path));
  const wanted = lists(graph.ranks); // before, after, before, ...
  for (const edge of sortBy(range(edges), precedence)) {
    if (around.has(edge)) continue;
    const inner = place[edge]! < 0 ? 1 : 0;
    for (let step = inner; step <= graph.span[edge]! - inner; step++) {
      const before = along(graph, edge, step);
      wanted[rank[before]!]!.push(before, along(graph, edge, step + 1));
    }
  }
  const straight = { above: ints(count, -1), below: ints(count, -1) };
  for (const segments of wanted) keepWithoutCrossings(segments, position, straight);
  return straight;
}

/** Cuts the nodes into paths. Returns, for every edge, the number of its path (0 is the trunk) or -1. */
function paths(graph: ProperGraph): Int32Array {
  const { depth, nodes, tails, stiff } = graph;
  const incoming = group(nodes, graph.heads);
  const consumers = ints(nodes);
  for (const tail of tails) consumers[tail]!++;
  const place = ints(tails.length, -1);
  const [continued, visited] = [bytes(nodes), bytes(nodes)];
  for (const edge of graph.around) place[edge] = -2; // so that `deepestOperand` leaves them out
  let found = 0;
  for (const start of sortBy(range(nodes), depth.map((value) => -value))) {
    for (let vertex = start; !visited[vertex]; ) {
      visited[vertex] = 1;
      const edge = deepestOperand(graph, incoming, vertex, consumers, continued, place);
      if (edge < 0) break;
      const tail = tails[edge]!;
      continued[tail] = 1;
      if (consumers[tail]! > 1 || stiff[edge] || !symmetric(graph, incoming, vertex, tail, place)) place[edge] = found;
      vertex = tail;
    }
    found++;
  }
  return place;
}

/**
 * The edge from the deepest operand that no path leaves yet; of equals a stiff one, the most used one; or -1.
 *
 * Of equals in this, the one at the end of the line from outside that takes precedence.
 */
function deepestOperand(
  { tails, depth, stiff, precedence }: ProperGraph, { start, items }: Groups, vertex: number, consumers: Int32Array,
  continued: Uint8Array, place: Int32Array,
): number {
  let best = -1;
  for (let i = start[vertex]!; i < start[vertex + 1]!; i++) {
    const edge = items[i]!;
    const tail = tails[edge]!;
    if (continued[tail] || place[edge] === -2) continue;
    const other = tails[best] ?? tail;
    const more = depth[tail]! - depth[other]! || stiff[edge]! - stiff[best]! || consumers[tail]! - consumers[other]!
      || precedence[tail]! - precedence[other]!;
    if (best < 0 || more > 0) best = edge;
  }
  return best;
}

/** Whether the deepest operand is one of several short ones of the same depth. */
function symmetric(
  { tails, depth }: ProperGraph, { start, items }: Groups, vertex: number, tail: number, place: Int32Array,
): boolean {
  if (depth[tail]! > SYMMETRIC_DEPTH) return false;
  for (let i = start[vertex]!; i < start[vertex + 1]!; i++) {
    const other = tails[items[i]!]!;
    if (place[items[i]!] !== -2 && depth[other] === depth[tail] && other !== tail) return true;
  }
  return false;
}

/** Of the segments between two ranks, the first one first, keeps each that meets and crosses none already kept. */
function keepWithoutCrossings(segments: number[], position: Int32Array, { above, below }: Straight): void {
  const [starts, ends]: [number[], number[]] = [[], []]; // positions of those kept, sorted
  for (let i = 0; i < segments.length; i += 2) {
    const [before, after] = [segments[i]!, segments[i + 1]!];
    const [from, to] = [position[before]!, position[after]!];
    const index = placeBehind(starts, from - 0.5);
    if (starts[index] === from || ends[index]! <= to || (index && ends[index - 1]! >= to)) continue;
    starts.splice(index, 0, from);
    ends.splice(index, 0, to);
    below[before] = after;
    above[after] = before;
  }
}
