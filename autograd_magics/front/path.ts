/** Which way data takes from a box to the loss, or from the leaves to it; what is folded stands for all in it. */
import type { Picture } from "./payload";
import type { Scopes } from "./scopes";

/** Towards the loss, or towards the leaves. */
export type Way = "loss" | "leaves";

export interface Path {
  boxes: ReadonlySet<string>;
  wires: ReadonlySet<string>;
}

interface Ends {
  /** For each box where its links begin in `links`; the one after the last too. */
  from: Int32Array;
  links: Int32Array;
}

const adjacency = new WeakMap<Scopes, Record<"out" | "in", Ends>>();

/** Links by the box that they leave, or arrive at.  No gradient passes a cut, so no path does. */
function ends({ tree }: Scopes, side: 0 | 1): Ends {
  const from = new Int32Array(tree.boxes.length + 1);
  const passed = tree.links.filter(([, , kind]) => kind !== "cut");
  for (const link of passed) from[link[side] + 1] = (from[link[side] + 1] ?? 0) + 1;
  for (let i = 1; i < from.length; i += 1) from[i] = (from[i] ?? 0) + (from[i - 1] ?? 0);
  const next = from.slice();
  const links = new Int32Array(passed.length);
  for (const link of passed) {
    const at = next[link[side]] ?? 0;
    links[at] = link[side === 0 ? 1 : 0];
    next[link[side]] = at + 1;
  }
  return { from, links };
}

/** All boxes that can be reached from some, those too. */
function reached({ from, links }: Ends, starts: readonly number[]): Set<number> {
  const found = new Set(starts);
  for (const box of found) {
    for (let i = from[box] ?? 0; i < (from[box + 1] ?? 0); i += 1) found.add(links[i] ?? 0);
  }
  return found;
}

/** What `starts` lead to, or with `down` false what leads to them, as far as it is seen. */
export function pathOf(
  scopes: Scopes,
  shown: Picture,
  starts: readonly number[],
  down: boolean,
  seen: (id: string) => string,
): Path {
  let table = adjacency.get(scopes);
  if (!table) adjacency.set(scopes, (table = { out: ends(scopes, 0), in: ends(scopes, 1) }));
  const found = reached(down ? table.out : table.in, starts);
  const { boxes, links } = scopes.tree;
  const name = (box: number): string => seen(boxes[box]?.id ?? "");
  const pairs = new Set<string>();
  for (const [from, to, kind] of links) {
    if (kind !== "cut" && found.has(from) && found.has(to)) pairs.add(`${name(from)} ${name(to)}`);
  }
  const passed = shown.wires.filter(({ from, to }) => pairs.has(`${from} ${to}`));
  return { boxes: new Set([...found].map(name)), wires: new Set(passed.map((wire) => wire.id)) };
}

/** The way that is shown next: to the loss, to the leaves, none. */
export function nextWay(way: Way | ""): Way | "" {
  return way === "" ? "loss" : way === "loss" ? "leaves" : "";
}
