/**
 * Where lines leave an open group for an item with parameters, these stand beside the group: what
 * `views/scoped/landings.py` does in Python.
 */
import { max } from "./arrays";
import type { Ends } from "./ports";

export type Pair = [tail: number, head: number];

/**
 * The edges from an open group to what also has parameters of its own, or to one from what has gradients of them.
 *
 * They pass landings, points of no size in the ranks between, where those find room: beside the group and not, far
 * away, over and under it. An edge is listed once for each.
 */
export function landedOf(pairs: Pair[], ends: Ends[], count: number): number[] {
  const back = pairs.map(([tail, head]): Pair => [head, tail]);
  const plain = (list: Pair[], side: 0 | 1): Pair[] =>
    list.filter((pair, i) => ends[i]![side] === null && max(...pair) < count);
  const [incoming, outgoing] = [tallied(back), tallied(pairs)];
  const fed = privateTo(plain(pairs, 0), incoming, outgoing);
  const feeding = privateTo(plain(back, 1), outgoing, incoming);
  return pairs.flatMap(([tail, head], i): number[] => {
    const [leave, enter] = ends[i]!;
    const before = (leave !== null && fed.get(head)) || 0;
    const after = (enter !== null && feeding.get(tail)) || 0;
    return Array<number>(max(before, after)).fill(i);
  });
}

/** How often each number stands first. */
function tallied(pairs: Pair[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const [key] of pairs) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

/** How many ranks the items need that are only there for another one: a parameter, or it and its transpose. */
function privateTo(
  edges: Pair[], incoming: Map<number, number>, outgoing: Map<number, number>,
): Map<number, number> {
  const onward = new Map(edges);
  const found = new Map<number, number>();
  for (const [tail, head] of edges) {
    if (incoming.has(tail) || outgoing.get(tail) !== 1) continue;
    const next = incoming.get(head) === 1 && outgoing.get(head) === 1 ? onward.get(head) : undefined;
    const last = next ?? head;
    found.set(last, max(next === undefined ? 1 : 2, found.get(last) ?? 0));
  }
  return found;
}

/** The edges up to their landings, numbered from `first`, then the rest of those that have some; and their ends. */
export function withLandings(pairs: Pair[], ends: Ends[], landed: number[], first: number): [Pair[], Ends[]] {
  const [legs, legEnds] = [pairs.slice(), ends.slice()];
  const last = new Map<number, number>();
  landed.forEach((edge, i) => {
    const leg = last.get(edge) ?? edge;
    const [[tail, head], [leave, enter]] = [legs[leg]!, legEnds[leg]!];
    legs[leg] = [tail, first + i];
    legEnds[leg] = [leave, null];
    last.set(edge, legs.length);
    legs.push([first + i, head]);
    legEnds.push([null, enter]);
  });
  return [legs, legEnds];
}
