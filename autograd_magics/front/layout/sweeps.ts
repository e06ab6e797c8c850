/**
 * Local search for few crossings: median sweeps, transposition, reinsertion of whole paths.
 *
 * Weighted median and transposition follow Gansner et al. 1993, section 3; swaps that gain nothing are taken now and
 * then, which leads off plateaus. What they cannot do is move a long edge as a whole, since every single step costs
 * crossings: `reinsertion` does that.
 */
import { bytes, floats, floor, max, min, sort, sortBy } from "./arrays";
import { crossings, crossingsByGap, swapGain } from "./crossings";
import { setRows, type ProperGraph } from "./proper";
import { reinsertPaths } from "./reinsertion";

const MOST_SWEEPS = 40;
const LEAST_SWEEPS = 3;
/** Sweeps times vertices. */
const WORK = 150_000;
/** Sweeps without fewer crossings. */
const PATIENCE_SMALL = 8;
const PATIENCE_LARGE = 4;
/** Vertices. */
const SMALL = 300;
/** For small graphs; a few are enough to make use of a sweep. */
const TRANSPOSE_ROUNDS = 16;
const FEW_ROUNDS = 3;
const REINSERTIONS = 3;

/** Improves the rows until nothing helps for a while. Returns the crossings left. */
export function removeCrossings(graph: ProperGraph): number {
  let fewest = crossings(graph);
  if (fewest) fewest = sweepUntilSettled(graph, fewest);
  return graph.count <= SMALL ? polish(graph, fewest) : fewest;
}

/** Reinserts whole paths while that helps. Returns the crossings left of those given. */
export function polish(graph: ProperGraph, left: number): number {
  for (let round = 0; round < REINSERTIONS; round++) {
    if (!left || !reinsertPaths(graph)) break;
    transpose(graph, false);
    left = crossings(graph);
  }
  return left;
}

function copied(rows: number[][]): number[][] {
  return rows.map((row) => row.slice());
}

function sweepUntilSettled(graph: ProperGraph, fewest: number): number {
  const patience = graph.count <= SMALL ? PATIENCE_SMALL : PATIENCE_LARGE;
  const sweeps = max(LEAST_SWEEPS, min(MOST_SWEEPS, floor(WORK / graph.count)));
  const median = floats(graph.count);
  let best = copied(graph.rows);
  let disappointments = 0;
  for (let number = 0; number < sweeps; number++) {
    const reverseTies = number % 4 >= 2;
    sweep(graph, number % 2 > 0, reverseTies, median);
    transpose(graph, reverseTies);
    const count = crossings(graph);
    disappointments++;
    if (count < fewest) {
      fewest = count;
      best = copied(graph.rows);
      disappointments = 0;
    }
    if (!fewest || disappointments === patience) break;
  }
  setRows(graph, best);
  return fewest;
}

function sweep(graph: ProperGraph, downward: boolean, reverseTies: boolean, median: Float64Array): void {
  const { rows, upper, lower, position } = graph;
  const fixed = downward ? upper : lower;
  for (let step = 1; step < rows.length; step++) {
    const row = rows[downward ? step : rows.length - 1 - step]!;
    if (row.length > 1) sortByMedian(row, fixed, position, reverseTies, median);
  }
}

/** Sorts a row in place by the median position of fixed neighbours; vertices without any keep their place. */
function sortByMedian(
  row: number[], fixed: number[][], position: Int32Array, reverseTies: boolean, median: Float64Array,
): void {
  const movable: number[] = [];
  for (const vertex of row) {
    const near = fixed[vertex]!;
    if (!near.length) continue;
    median[vertex] = near.length === 1 ? position[near[0]!]! : weightedMedian(sort(near.map((v) => position[v]!)));
    movable.push(vertex);
  }
  if (reverseTies) movable.reverse();
  sortBy(movable, median);
  let next = 0;
  for (let i = 0; i < row.length; i++) {
    if (fixed[row[i]!]!.length) row[i] = movable[next++]!;
    position[row[i]!] = i;
  }
}

/** The median, leaning to the denser side when the number of places is even (Gansner et al.). */
function weightedMedian(places: number[]): number {
  const middle = places.length >> 1;
  if (places.length % 2) return places[middle]!;
  const [low, high] = [places[middle - 1]!, places[middle]!];
  const [left, right] = [low - places[0]!, places[places.length - 1]! - high];
  return left + right ? (low * right + high * left) / (left + right) : (low + high) / 2;
}

/** Swaps neighbours while that removes crossings, in the first round also where it changes nothing. */
function transpose(graph: ProperGraph, withTies: boolean): void {
  const { rows } = graph;
  const gaps = crossingsByGap(graph);
  let active = bytes(rows.length);
  rows.forEach((row, rank) => (active[rank] = Number((gaps[rank - 1] || gaps[rank]) && row.length > 1)));
  const rounds = graph.count * LEAST_SWEEPS < WORK ? TRANSPOSE_ROUNDS : FEW_ROUNDS;
  for (let round = 0; round < rounds; round++) {
    const ties = withTies && !round;
    const improved = active.map((on, rank) => Number(on && transposeRow(graph, rows[rank]!, ties)));
    if (ties) continue;
    if (!improved.includes(1)) break;
    active = active.map((on, rank) => on && (improved[rank - 1] || improved[rank] || improved[rank + 1] || 0));
  }
}

function transposeRow(graph: ProperGraph, row: number[], ties: boolean): boolean {
  const { position } = graph;
  let improved = false;
  for (let i = 0; i < row.length - 1; i++) {
    const [left, right] = [row[i]!, row[i + 1]!];
    const gain = swapGain(graph, left, right);
    if (gain < 0 || (!gain && !ties)) continue;
    row[i] = right;
    row[i + 1] = left;
    position[right] = i;
    position[left] = i + 1;
    improved ||= gain > 0;
  }
  return improved;
}
