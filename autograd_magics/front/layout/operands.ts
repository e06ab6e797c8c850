/**
 * Parameters on both sides: a node's private operands are shared out above and below its main operand.
 *
 * Ordering by crossings alone leaves all of them on one side, because moving them costs and saves nothing.
 */
import { largest, max, min, sortBy } from "./arrays";
import { crossingsWithin } from "./crossings";
import { setRow, type ProperGraph } from "./proper";

/** Vertices; a weight and its transpose are two. */
const LARGEST_SUBTREE = 8;

/** Reorders rows so that the main operand of every node is the middle one, where that adds no crossing. */
export function balanceOperands(graph: ProperGraph): void {
  for (let node = 0; node < graph.nodes; node++) {
    if (graph.upper[node]!.length < 3) continue;
    const operands = sortBy(graph.upper[node]!.slice(), graph.position);
    const subtrees = operands.map((operand) => privateSubtree(graph, operand));
    const sizes = subtrees.map((subtree) => subtree.length);
    const main = sizes.includes(0) ? 0 : largest(sizes);
    let place = sizes.indexOf(main);
    if (sizes.lastIndexOf(main) !== place) continue;
    const others = operands.length - 1;
    const step = (to: number): boolean => {
      const moved = move(graph, operands[place]!, subtrees[to]!, to > place);
      if (!moved) return false;
      [subtrees[place], subtrees[to]] = [subtrees[to]!, subtrees[place]!];
      [operands[place], operands[to]] = [operands[to]!, operands[place]!];
      place = to;
      return true;
    };
    while (place < others >> 1 && step(place + 1));
    while (place > (others + 1) >> 1 && step(place - 1));
  }
}

/** Everything behind an operand if it feeds nothing else, is small and nothing comes from outside; or nothing. */
function privateSubtree(graph: ProperGraph, operand: number): number[] {
  const found = [operand];
  for (let at = 0; at < found.length; at++) {
    const vertex = found[at]!;
    if (graph.lower[vertex]!.length > 1 || found.length > LARGEST_SUBTREE || graph.pins[vertex]! < 0) return [];
    for (const v of graph.upper[vertex]!) found.push(v);
  }
  return found;
}

/** Puts a subtree directly before or after the main operand and what precedes it; undone if crossings appear. */
function move(graph: ProperGraph, main: number, subtree: number[], before: boolean): boolean {
  const { rank, rows, upper } = graph;
  const top = rank[main]!;
  let lowest = top;
  for (const vertex of subtree) lowest = min(lowest, rank[vertex]!);
  const anchors: number[] = []; // by rank, from the highest
  for (let level = top, anchor: number | undefined = main; level >= lowest && anchor !== undefined; level--) {
    anchors.push(anchor);
    const behind: number[] = upper[anchor]!;
    anchor = behind[behind.length >> 1];
  }
  const [low, high] = [max(lowest - 1, 0), min(top + 1, rows.length - 1)];
  const old = rows.slice(lowest, top + 1);
  const count = crossingsWithin(graph, low, high);
  old.forEach((row, i) => {
    const anchor = anchors[top - lowest - i];
    if (anchor === undefined) return;
    const moved = row.filter((v) => subtree.includes(v));
    const rest = row.filter((v) => !moved.includes(v));
    rest.splice(rest.indexOf(anchor) + (before ? 0 : 1), 0, ...moved);
    setRow(graph, lowest + i, rest);
  });
  if (crossingsWithin(graph, low, high) <= count) return true;
  old.forEach((row, i) => setRow(graph, lowest + i, row));
  return false;
}
