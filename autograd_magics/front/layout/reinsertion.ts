/**
 * Takes a chain of vertices (a long edge, or one node) out of its rows and puts it back where it crosses least.
 *
 * The cheapest place in every row is found by dynamic programming over the ranks: the cost of a place is the crossings
 * of the vertex' own edges there, the cost of going from a place to one in the next rank is the edges passed between.
 */
import { max, min, smallest } from "./arrays";
import { crossingsByGap, crossingsWithin } from "./crossings";
import { setRow, type ProperGraph } from "./proper";

/** Pairs of places compared in one call of `reinsertPaths`. */
const WORK = 60_000;

/** Reinserts every chain and every other vertex that touches crossings. Returns the crossings removed. */
export function reinsertPaths(graph: ProperGraph): number {
  const gaps = crossingsByGap(graph);
  let removed = 0;
  let work = WORK;
  for (const path of chains(graph)) {
    const low = graph.rank[path[0]!]!;
    if (!gaps.subarray(max(low - 1, 0), low + path.length).some((count) => count > 0)) continue;
    for (let i = 0; i < path.length; i++) work -= graph.rows[low + i]!.length ** 2;
    if (work < 0) break;
    removed += reinsert(graph, path, low);
  }
  return removed;
}

/** Long edges prolonged by the nodes with one input and one consumer at their ends; each other vertex alone. */
function chains({ upper, lower, count }: ProperGraph): number[][] {
  const isLink = (vertex: number): boolean => upper[vertex]!.length === 1 && lower[vertex]!.length === 1;
  const found: number[][] = [];
  for (let vertex = 0; vertex < count; vertex++) {
    if (!isLink(vertex)) found.push([vertex]);
    else if (!isLink(upper[vertex]![0]!)) {
      const chain = [vertex];
      for (let v = lower[vertex]![0]!; isLink(v); v = lower[v]![0]!) chain.push(v);
      found.push(chain);
    }
  }
  return found;
}

function reinsert(graph: ProperGraph, path: number[], low: number): number {
  const old = path.map((_, i) => graph.rows[low + i]!);
  const rest = path.map((vertex, i) => old[i]!.filter((v) => v !== vertex));
  const places = cheapestPlaces(graph, path, rest);
  const [from, to] = [max(low - 1, 0), min(low + path.length, graph.rows.length - 1)];
  const before = crossingsWithin(graph, from, to);
  path.forEach((vertex, i) => {
    const row = rest[i]!;
    setRow(graph, low + i, [...row.slice(0, places[i]), vertex, ...row.slice(places[i])]);
  });
  const removed = before - crossingsWithin(graph, from, to);
  if (removed > 0) return removed;
  old.forEach((row, i) => setRow(graph, low + i, row));
  return 0;
}

function cheapestPlaces(graph: ProperGraph, path: number[], rest: number[][]): number[] {
  const onPath = new Set(path);
  let cost = ownCrossings(graph, path[0]!, rest[0]!, onPath);
  const origins: number[][] = [];
  for (let i = 1; i < path.length; i++) {
    const steps = passedEdges(graph, rest[i - 1]!, rest[i]!);
    const own = ownCrossings(graph, path[i]!, rest[i]!, onPath);
    const origin: number[] = [];
    cost = own.map((crossings, place) => {
      const sums = cost.map((before, from) => before + steps[from]![place]!);
      const least = smallest(sums);
      origin.push(sums.indexOf(least));
      return least + crossings;
    });
    origins.push(origin);
  }
  const places = [cost.indexOf(smallest(cost))];
  for (const origin of origins.reverse()) places.push(origin[places[places.length - 1]!]!);
  return places.reverse();
}

/** For every place in the row: crossings of the edges of `vertex` that are not part of the path. */
function ownCrossings(graph: ProperGraph, vertex: number, rest: number[], onPath: Set<number>): number[] {
  const placesOf = (near: number[]): number[] => near.filter((v) => !onPath.has(v)).map((v) => graph.position[v]!);
  const cost = new Array<number>(rest.length + 1).fill(0);
  for (const neighbours of [graph.upper, graph.lower]) {
    const mine = placesOf(neighbours[vertex]!);
    if (!mine.length) continue;
    const changes = [0]; // the first place, where all others come after; then each other vertex passed
    for (const other of rest) {
      let [beyond, short] = [0, 0];
      for (const place of placesOf(neighbours[other]!)) {
        for (const own of mine) {
          if (place > own) beyond++;
          else if (place < own) short++;
        }
      }
      changes[0]! += short;
      changes.push(beyond - short);
    }
    let sum = 0;
    changes.forEach((change, i) => (cost[i]! += sum += change));
  }
  return cost;
}

/** Edges between two rows that a segment from place p to place q crosses, as a table [p][q]. */
function passedEdges(graph: ProperGraph, row: number[], after: number[]): number[][] {
  const placeAfter = new Map(after.map((vertex, place) => [vertex, place]));
  const ends = row.map((vertex) => graph.lower[vertex]!.flatMap((v) => placeAfter.get(v) ?? []));
  let line = new Array<number>(after.length + 1).fill(0);
  for (const end of ends.flat()) for (let place = end + 1; place < line.length; place++) line[place]!++;
  const table = [line];
  for (const some of ends) {
    line = line.slice();
    for (const end of some) for (let place = 0; place < line.length; place++) line[place]! += end >= place ? 1 : -1;
    table.push(line);
  }
  return table;
}
