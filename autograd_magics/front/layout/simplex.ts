/**
 * Network simplex: levels of a connected graph with the least total weighted edge length, every edge at least 1 long.
 *
 * Gansner, Koutsofios, North, Vo: "A Technique for Drawing Directed Graphs", IEEE TSE 19 (1993), section 2.3.
 * A spanning tree of tight edges (no slack) fixes all levels. A tree edge with a negative cut value is replaced by
 * the non-tree edge with the least slack that joins the two halves the other way round.
 *
 * Cut values are kept as subtree sums: with the surplus of a vertex = weight of outgoing minus weight of incoming
 * edges, the edges inside a subtree cancel, so the sum over a subtree is what leaves it minus what enters it.
 */
import { bytes, floor, group, ints, lists, min } from "./arrays";
import type { Edges } from "./ranks";

/** Gansner et al. look at a few negative cut values and take the worst: better pivots for little search. */
const CANDIDATES = 30;

interface Tree {
  readonly level: Int32Array;
  readonly tails: Int32Array;
  readonly heads: Int32Array;
  /** Edges in the tree at each vertex. */
  readonly at: number[][];
  readonly parent: Int32Array;
  /** The tree edge to the parent. */
  readonly link: Int32Array;
  /** Surplus of the whole subtree. */
  readonly sum: Int32Array;
  /** Which vertices the subtree has that was looked at last: those with this stamp. */
  readonly inside: Int32Array;
  stamp: number;
  candidate: number;
}

/**
 * Improves `level` in place until it is optimal or about `work` elementary steps are spent.
 *
 * `level[head] - level[tail] >= 1` must hold for every edge at the start, and the graph must be connected.
 */
export function improve(level: Int32Array, { tails, heads }: Edges, weights: Int32Array, work: number): void {
  const count = level.length;
  if (count < 2) return;
  const [parent, link] = [ints(count, -1), ints(count, -1)];
  const [sum, inside] = [ints(count), ints(count)];
  const tree: Tree = { level, tails, heads, at: lists(count), parent, link, sum, inside, stamp: 0, candidate: 0 };
  const inTree = growTightTree(tree);
  hangTree(tree, weights);
  const others: number[] = [];
  for (let edge = 0; edge < tails.length; edge++) if (!inTree[edge]) others.push(edge);
  while (others.length && work > 0) {
    const child = leaving(tree);
    if (child < 0) return;
    work -= pivot(tree, child, others);
  }
}

function slackOf({ level, heads, tails }: Tree, edge: number): number {
  return level[heads[edge]!]! - level[tails[edge]!]! - 1;
}

function otherEnd({ tails, heads }: Tree, edge: number, vertex: number): number {
  const tail = tails[edge]!;
  return tail === vertex ? heads[edge]! : tail;
}

function addToTree(tree: Tree, edge: number): void {
  tree.at[tree.tails[edge]!]!.push(edge);
  tree.at[tree.heads[edge]!]!.push(edge);
}

/** Edges at each vertex, in their order. */
interface Incident {
  readonly start: Int32Array;
  readonly items: Int32Array;
}

/** Joins tight pieces, always moving the smallest one towards its nearest neighbour. Returns the edges of the tree. */
function growTightTree(tree: Tree): Uint8Array {
  const { level, tails, heads } = tree;
  const count = level.length;
  const ends = ints(2 * tails.length);
  for (let edge = 0; edge < tails.length; edge++) {
    ends[2 * edge] = tails[edge]!;
    ends[2 * edge + 1] = heads[edge]!;
  }
  const { start, items } = group(count, ends);
  const incident = { start, items: items.map((end) => end >> 1) };
  const inTree = bytes(tails.length);
  const { piece, members } = tightPieces(tree, incident, inTree);
  const queue = new Heap();
  members.forEach((vertices, index) => queue.push(vertices.length * count + index));
  while (queue.length > 1) {
    const first = queue.pop();
    const index = first % count;
    const mine = members[index]!;
    if (floor(first / count) !== mine.length) continue; // an entry from before this piece grew
    const edge = nearest(tree, incident, piece, mine);
    const outgoing = piece[tails[edge]!] === index;
    const shift = outgoing ? slackOf(tree, edge) : -slackOf(tree, edge);
    for (const vertex of mine) level[vertex]! += shift;
    const other = piece[(outgoing ? heads : tails)[edge]!]!;
    const [small, large] = mine.length <= members[other]!.length ? [index, other] : [other, index];
    for (const vertex of members[small]!) {
      piece[vertex] = large;
      members[large]!.push(vertex);
    }
    members[small] = [];
    addToTree(tree, edge);
    inTree[edge] = 1;
    queue.push(members[large]!.length * count + large);
  }
  return inTree;
}

function tightPieces(
  tree: Tree, { start, items }: Incident, inTree: Uint8Array,
): { piece: Int32Array; members: number[][] } {
  const piece = ints(tree.level.length, -1);
  const members: number[][] = [];
  for (let from = 0; from < piece.length; from++) {
    if (piece[from]! >= 0) continue;
    const index = members.length;
    piece[from] = index;
    const found = [from];
    for (let at = 0; at < found.length; at++) {
      const vertex = found[at]!;
      for (let i = start[vertex]!; i < start[vertex + 1]!; i++) {
        const edge = items[i]!;
        const other = otherEnd(tree, edge, vertex);
        if (piece[other]! >= 0 || slackOf(tree, edge) > 0) continue;
        piece[other] = index;
        found.push(other);
        addToTree(tree, edge);
        inTree[edge] = 1;
      }
    }
    members.push(found);
  }
  return { piece, members };
}

/** The edge with the least slack that leads out of a piece. */
function nearest(tree: Tree, { start, items }: Incident, piece: Int32Array, vertices: number[]): number {
  const index = piece[vertices[0]!];
  let best = Infinity;
  let choice = -1;
  for (const vertex of vertices) {
    for (let i = start[vertex]!; i < start[vertex + 1]!; i++) {
      const edge = items[i]!;
      if (piece[otherEnd(tree, edge, vertex)] === index) continue;
      const slack = slackOf(tree, edge);
      if (slack < best) [best, choice] = [slack, edge];
    }
  }
  return choice;
}

/** Roots the tree at vertex 0 and sums the surplus of every subtree. */
function hangTree(tree: Tree, weights: Int32Array): void {
  const { tails, heads, parent, link, sum } = tree;
  for (let edge = 0; edge < weights.length; edge++) {
    sum[tails[edge]!]! += weights[edge]!;
    sum[heads[edge]!]! -= weights[edge]!;
  }
  const found = [0];
  for (let at = 0; at < found.length; at++) {
    const vertex = found[at]!;
    for (const edge of tree.at[vertex]!) {
      if (edge === link[vertex]) continue;
      const other = otherEnd(tree, edge, vertex);
      parent[other] = vertex;
      link[other] = edge;
      found.push(other);
    }
  }
  for (let at = found.length - 1; at > 0; at--) sum[parent[found[at]!]!]! += sum[found[at]!]!;
}

/** The lower end of a tree edge with a negative cut value, searched round robin; -1 when there is none. */
function leaving(tree: Tree): number {
  const { level, link, sum, tails } = tree;
  const count = level.length;
  let found = 0;
  let choice = -1;
  let worst = 0;
  let step = 0;
  for (; step < count; step++) {
    const vertex = (tree.candidate + step) % count;
    const edge = link[vertex]!;
    if (edge < 0) continue;
    const value = tails[edge] === vertex ? sum[vertex]! : -sum[vertex]!;
    if (value >= 0) continue;
    if (value < worst) [choice, worst] = [vertex, value];
    if (++found === CANDIDATES) break;
  }
  tree.candidate = (tree.candidate + min(step, count - 1) + 1) % count;
  return choice;
}

/** Swaps the tree edge above `child` for the best non-tree edge. Returns the steps spent. */
function pivot(tree: Tree, child: number, others: number[]): number {
  const { tails, heads, level, inside } = tree;
  const old = tree.link[child]!;
  const below = subtree(tree, child);
  const { stamp } = tree;
  const fromBelow = tails[old] === child;
  let slack = Infinity;
  let index = -1;
  for (let position = 0; position < others.length; position++) {
    const edge = others[position]!;
    const headIn = inside[heads[edge]!] === stamp;
    if (headIn !== fromBelow || (inside[tails[edge]!] === stamp) === headIn) continue;
    const gap = slackOf(tree, edge);
    if (gap < slack) [slack, index] = [gap, position];
  }
  if (index < 0) { // only when the weights leave the problem unbounded
    tree.sum[child] = 0;
    return others.length;
  }
  const entering = others[index]!;
  if (slack) for (const vertex of below) level[vertex]! += fromBelow ? -slack : slack;
  others[index] = old;
  return below.length + others.length + rehang(tree, child, entering);
}

/** The vertices below the tree edge above `top`; `inside` marks them. */
function subtree(tree: Tree, top: number): number[] {
  const { inside, link } = tree;
  const stamp = ++tree.stamp;
  inside[top] = stamp;
  const found = [top];
  for (let at = 0; at < found.length; at++) {
    const vertex = found[at]!;
    for (const edge of tree.at[vertex]!) {
      if (edge === link[vertex]) continue;
      const other = otherEnd(tree, edge, vertex);
      inside[other] = stamp;
      found.push(other);
    }
  }
  return found;
}

/** Hangs the subtree of `child` by the entering edge: parents on the path turn round, sums follow. */
function rehang(tree: Tree, child: number, entering: number): number {
  const { tails, heads, parent, link, sum } = tree;
  const old = link[child]!;
  const whole = sum[child]!;
  for (const end of [tails[old]!, heads[old]!]) tree.at[end]!.splice(tree.at[end]!.indexOf(old), 1);
  let steps = addToAncestors(tree, parent[child]!, -whole);
  addToTree(tree, entering);
  let vertex = (tree.inside[tails[entering]!] === tree.stamp ? tails : heads)[entering]!;
  let above = otherEnd(tree, entering, vertex);
  let edge = entering;
  let rest = 0;
  steps += addToAncestors(tree, above, whole);
  for (;;) {
    const [nextVertex, nextLink, oldSum] = [parent[vertex]!, link[vertex]!, sum[vertex]!];
    parent[vertex] = above;
    link[vertex] = edge;
    sum[vertex] = whole - rest;
    steps++;
    if (vertex === child) return steps;
    rest = oldSum;
    [above, edge, vertex] = [vertex, nextLink, nextVertex];
  }
}

function addToAncestors({ sum, parent }: Tree, vertex: number, amount: number): number {
  let steps = 0;
  for (; vertex >= 0; steps++) {
    sum[vertex]! += amount;
    vertex = parent[vertex]!;
  }
  return steps;
}

/** The least number first. */
class Heap {
  private readonly items: number[] = [];

  get length(): number {
    return this.items.length;
  }

  push(value: number): void {
    const { items } = this;
    let at = items.length;
    while (at && items[(at - 1) >> 1]! > value) {
      items[at] = items[(at - 1) >> 1]!;
      at = (at - 1) >> 1;
    }
    items[at] = value;
  }

  pop(): number {
    const { items } = this;
    const least = items[0]!;
    const value = items.pop()!;
    if (!items.length) return least;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child + 1 < items.length && items[child + 1]! < items[child]!) child++;
      if (child >= items.length || items[child]! >= value) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = value;
    return least;
  }
}
