/**
 * Coordinates across the ranks: straight long lines, nodes near their neighbours.
 *
 * Brandes, Köpf: "Fast and Simple Horizontal Coordinate Assignment", GD 2001. Vertices are aligned into blocks with a
 * median neighbour, once for each of four directions, each alignment is compacted, and the mean of the two middle
 * values is taken. Differences to the paper: the segments of `trunk.Straight` take the role of the inner segments
 * (type 1 conflicts are resolved in their favour), and compaction is a longest path over the graph of blocks, which
 * avoids the known errors of the published class offsets.
 */
import { bytes, floats, group, ints, max, min, sort, sortBy } from "./arrays";
import { separation, type ProperGraph } from "./proper";
import { tighten } from "./tighten";
import type { Straight } from "./trunk";

/** Centre of every vertex across the ranks, neighbours in a rank at least their separation apart. */
export function assignCoordinates(graph: ProperGraph, straight: Straight): Float64Array {
  const distance = separations(graph);
  const blocked = type1Conflicts(graph, straight);
  const found: Float64Array[] = [];
  for (const upward of [true, false]) {
    for (const leftward of [true, false]) {
      found.push(compact(graph, align(graph, straight, blocked, upward, leftward), distance, leftward));
    }
  }
  const x = balance(found, graph.breadth);
  tighten(graph, x, distance, straight);
  return x;
}

/** Least distance of every vertex from its left neighbour in the row. */
function separations(graph: ProperGraph): Float64Array {
  const distance = floats(graph.count);
  for (const row of graph.rows) {
    for (let i = 1; i < row.length; i++) distance[row[i]!] = separation(graph, row[i - 1]!, row[i]!);
  }
  return distance;
}

/** Segments that cross or touch a straight one, as before * count + after: they are never aligned. */
function type1Conflicts({ rows, position, upper, count }: ProperGraph, { above }: Straight): Set<number> {
  const conflicts = new Set<number>();
  for (let rank = 1; rank < rows.length; rank++) {
    const [row, after] = [rows[rank - 1]!, rows[rank]!];
    if (row.length < 2 && after.length < 2) continue;
    let low = 0;
    let start = 0;
    for (let index = 0; index < after.length; index++) {
      const anchor = above[after[index]!]!;
      if (anchor < 0 && index < after.length - 1) continue;
      const high = anchor >= 0 ? position[anchor]! : row.length - 1;
      for (; start <= index; start++) {
        const other = after[start]!;
        for (const near of upper[other]!) {
          const inside = low <= position[near]! && position[near]! <= high;
          if (!inside && above[other] !== near) conflicts.add(near * count + other);
        }
      }
      low = high;
    }
  }
  return conflicts;
}

/** Vertical alignment with upper (lower) median neighbours, scanning rows from the left (right): block roots. */
function align(
  { rows, position, upper, lower, count }: ProperGraph, { above, below }: Straight, blocked: Set<number>,
  upward: boolean, leftward: boolean,
): Int32Array {
  const [neighbours, partner, takenBy] = upward ? [upper, above, below] : [lower, below, above];
  const root = ints(count).map((_, v) => v);
  const used = bytes(count);
  for (let r = 0; r < rows.length; r++) {
    const row = rows[upward ? r : rows.length - 1 - r]!;
    let last = leftward ? -1 : count;
    for (let i = 0; i < row.length; i++) {
      const vertex = row[leftward ? i : row.length - 1 - i]!;
      const near = neighbours[vertex]!;
      if (!near.length) continue;
      const fixed = partner[vertex]! >= 0;
      for (const other of fixed ? [partner[vertex]!] : medians(near, position, leftward)) {
        if (used[other] || (leftward ? position[other]! <= last : position[other]! >= last)) continue;
        if (!fixed && takenBy[other]! >= 0) continue;
        if (blocked.size && blocked.has(upward ? other * count + vertex : vertex * count + other)) continue;
        root[vertex] = root[other]!;
        used[other] = 1;
        last = position[other]!;
        break;
      }
    }
  }
  return root;
}

function medians(near: number[], position: Int32Array, leftward: boolean): number[] {
  if (near.length === 1) return near;
  const ordered = sortBy(near.slice(), position);
  const middle = near.length >> 1;
  if (near.length % 2) return [ordered[middle]!];
  return leftward ? [ordered[middle - 1]!, ordered[middle]!] : [ordered[middle]!, ordered[middle - 1]!];
}

/** Places every block as far left as its row neighbours let it, then pulls it back towards the next blocks. */
function compact(
  { rows, count }: ProperGraph, root: Int32Array, distance: Float64Array, leftward: boolean,
): Float64Array {
  const [firsts, seconds, distances]: number[][] = [[], [], []];
  const waiting = ints(count);
  for (const row of rows) {
    for (let i = 1; i < row.length; i++) {
      const [left, right] = [root[row[i - 1]!]!, root[row[i]!]!];
      firsts!.push(leftward ? left : right);
      seconds!.push(leftward ? right : left);
      distances!.push(distance[row[i]!]!);
      waiting[leftward ? right : left]!++;
    }
  }
  const { start, items } = group(count, firsts!);
  const x = floats(count);
  const order: number[] = [];
  for (let v = 0; v < count; v++) if (root[v] === v && !waiting[v]) order.push(v);
  for (let at = 0; at < order.length; at++) {
    const block = order[at]!;
    for (let i = start[block]!; i < start[block + 1]!; i++) {
      const other = seconds![items[i]!]!;
      x[other] = max(x[other]!, x[block]! + distances![items[i]!]!);
      if (!--waiting[other]!) order.push(other);
    }
  }
  for (let at = order.length - 1; at >= 0; at--) {
    const block = order[at]!;
    if (start[block] === start[block + 1]) continue;
    let least = Infinity;
    for (let i = start[block]!; i < start[block + 1]!; i++) {
      least = min(least, x[seconds![items[i]!]!]! - distances![items[i]!]!);
    }
    x[block] = max(x[block]!, least);
  }
  return x.map((_, v) => (leftward ? x[root[v]!]! : -x[root[v]!]!));
}

/** Aligns the four layouts to the narrowest one and takes the mean of the two middle values. */
function balance(found: Float64Array[], breadth: Float64Array): Float64Array {
  const bounds = found.map((x) => edges(x, breadth));
  let best = 0;
  bounds.forEach(([low, high], i) => {
    if (high - low < bounds[best]![1] - bounds[best]![0]) best = i;
  });
  const shifts = bounds.map((bound, i) => bounds[best]![i % 2]! - bound[i % 2]!);
  return breadth.map((_, v) => {
    const ordered = sort(found.map((x, i) => x[v]! + shifts[i]!));
    return (ordered[1]! + ordered[2]!) / 2;
  });
}

/** The left and the right edge of the drawing. */
export function edges(x: Float64Array, breadth: Float64Array): [number, number] {
  let [left, right] = [Infinity, -Infinity];
  for (let v = 0; v < x.length; v++) {
    left = min(left, x[v]! - breadth[v]! / 2);
    right = max(right, x[v]! + breadth[v]! / 2);
  }
  return [left, right];
}
