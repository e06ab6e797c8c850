/** Rigid blocks of vertices: what moves as one once the straight lines are chosen. */
import { abs, ints, sort } from "./arrays";
import type { ProperGraph } from "./proper";
import type { Straight } from "./trunk";

/** Pixels. */
const SYMMETRY = 0.5;

/** The members of every block (it may be empty) and the block of every vertex. */
export interface Blocks {
  readonly members: number[][];
  readonly of: Int32Array;
}

/** The straight lines, and every node together with the operands that stand symmetrically before it. */
export function rigidBlocks(graph: ProperGraph, x: Float64Array, { above }: Straight): Blocks {
  const blocks: Blocks = { members: [], of: ints(graph.count, -1) };
  const { members, of } = blocks;
  for (const row of graph.rows) {
    for (const vertex of row) {
      let block = members.length;
      if (above[vertex]! >= 0) block = of[above[vertex]!]!;
      else if (standsBetweenOperands(graph, x, vertex)) {
        block = of[graph.upper[vertex]![0]!]!;
        for (const other of graph.upper[vertex]!) merge(blocks, of[other]!, block);
      } else members.push([]);
      of[vertex] = block;
      members[block]!.push(vertex);
    }
  }
  return blocks;
}

function merge({ members, of }: Blocks, source: number, target: number): void {
  if (source === target) return;
  for (const vertex of members[source]!) {
    of[vertex] = target;
    members[target]!.push(vertex);
  }
  members[source] = [];
}

/** Whether all operands feed only this vertex, stand side by side, and have it in their middle. */
function standsBetweenOperands(
  { upper, lower, position, rows, rank }: ProperGraph, x: Float64Array, vertex: number,
): boolean {
  const operands = upper[vertex]!;
  if (operands.length < 2 || operands.some((v) => lower[v]!.length > 1)) return false;
  const places = sort(operands.map((v) => position[v]!));
  const [low, high] = [places[0]!, places[places.length - 1]!];
  if (high - low !== places.length - 1) return false;
  const row = rows[rank[vertex]! - 1]!;
  return abs((x[row[low]!]! + x[row[high]!]!) / 2 - x[vertex]!) < SYMMETRY;
}
