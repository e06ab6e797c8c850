/**
 * Order within the ranks: few crossings, a narrow drawing, operands in the order of their edges.
 *
 * `sweeps` only finds a local minimum, and which one depends on the start: so it runs from several depth-first orders.
 */
import { bytes, group, lists, range, sortBy } from "./arrays";
import { balanceOperands } from "./operands";
import { setRows, widthBesideTrunk, type ProperGraph } from "./proper";
import { random } from "./random";
import { polish, removeCrossings } from "./sweeps";

/** Vertices; larger graphs get the first start only, */
const PLAIN_STARTS_UP_TO = 6_000;
/** and where edges cross, a second one. */
const SECOND_START_UP_TO = 40_000;
const PLAIN_STARTS = 3;
const SHUFFLED_STARTS = 10;
/** Starts times vertices; small graphs with crossings are worth more trials. */
const SHUFFLED_WORK = 2_000;
/** A local minimum met so often is taken for the global one. */
const TIMES = 3;
/** Of all ranks: an edge that passes so many. */
const LONG = 0.4;
/** A later start must save this much width when it saves no crossing. */
const NARROWER = 0.985;

/** Gives the graph its rows. Returns the number of crossings between edges of the proper graph. */
export function orderRanks(graph: ProperGraph): number {
  let best: number[][] | null = null;
  let [fewest, narrowest, times] = [0, 0, 0];
  for (let number = 0; number < PLAIN_STARTS + SHUFFLED_STARTS; number++) {
    if (number && !worthTrying(graph, number, fewest, times)) continue;
    setRows(graph, start(graph, number));
    const crossings = removeCrossings(graph);
    balanceOperands(graph);
    const width = widthBesideTrunk(graph);
    times = !best || crossings < fewest ? 1 : times + Number(crossings === fewest);
    if (!best || crossings < fewest || (crossings === fewest && width < narrowest * NARROWER)) {
      [best, fewest, narrowest] = [graph.rows, crossings, width];
    }
  }
  setRows(graph, best!);
  return polish(graph, fewest);
}

function start(graph: ProperGraph, number: number): number[][] {
  const { upper, lower } = graph;
  if (number === 1) return depthFirstRows(graph, lower, false);
  if (number < PLAIN_STARTS) return depthFirstRows(graph, number ? longEdgesFirst(graph) : upper, true);
  const seed = number - PLAIN_STARTS;
  const next = random(seed);
  const fromSinks = seed % 2 > 0;
  const shuffled = (near: number[]): number[] => {
    const drawn = near.map(next);
    return sortBy(range(near.length), drawn).map((i) => near[i]!);
  };
  return depthFirstRows(graph, (fromSinks ? upper : lower).map(shuffled), fromSinks);
}

/** Whether to go on with a start when so many crossings are the fewest and were reached so many times. */
function worthTrying({ count }: ProperGraph, number: number, crossings: number, times: number): boolean {
  if (number < PLAIN_STARTS && count <= PLAIN_STARTS_UP_TO) return number === 1 || !crossings; // the third saves width
  if (number === 1) return crossings > 0 && count <= SECOND_START_UP_TO;
  return crossings > 0 && times < TIMES && number * count <= SHUFFLED_WORK;
}

/** Upper neighbours, those that only lead to a very long edge in front: it runs on the other side of the drawing. */
function longEdgesFirst(graph: ProperGraph): number[][] {
  const { upper, nodes, count, span, owner } = graph;
  const stays = bytes(count).fill(1);
  for (const vertex of group(graph.ranks, graph.rank).items) {
    const near = upper[vertex]!;
    if (vertex >= nodes) stays[vertex] = Number(span[owner[vertex - nodes]!]! <= graph.ranks * LONG);
    else if (near.length) stays[vertex] = Number(near.some((v) => stays[v]));
  }
  return upper.map((near) => (near.length > 1 ? sortBy(near.slice(), stays) : near));
}

/** Each vertex enters its row when depth-first search meets it: subtrees stay together, operands in order. */
function depthFirstRows(graph: ProperGraph, onward: number[][], fromSinks: boolean): number[][] {
  const { rank } = graph;
  const behind = fromSinks ? graph.lower : graph.upper;
  const starts = range(graph.nodes).filter((v) => !behind[v]!.length);
  starts.sort((a, b) => (fromSinks ? rank[b]! - rank[a]! : rank[a]! - rank[b]!));
  const rows = lists(graph.ranks);
  const seen = bytes(graph.count);
  const stack: number[] = [];
  for (const from of starts) {
    stack.push(from);
    while (stack.length) {
      const vertex = stack.pop()!;
      if (seen[vertex]) continue;
      seen[vertex] = 1;
      rows[rank[vertex]!]!.push(vertex);
      const next = onward[vertex]!;
      for (let i = next.length - 1; i >= 0; i--) if (!seen[next[i]!]) stack.push(next[i]!);
    }
  }
  return rows;
}
