/** The layout of a tree: what is seen of it when some groups are open. */
import type { Box, Frame, Picture, Tree, TreeBox, Wire } from "../payload";
import { boxOfGroup, whole } from "../scopes";
import type { Known } from "./arrange";
import { engine } from "./engine";
import { FIELDS, HEAD, SHAPES, type Arrangement, type Item, type Nest } from "./nest";

export type LayoutResult = Required<Pick<Picture, "width" | "height" | "boxes" | "wires" | "frames">>;

/** Height in px of a line of text, as in `views/boxes.py`. */
const TEXT_LINE = 14;
/** How far the outlines behind a folded run reach beyond it. */
const STACK = 6;
const [BOX, CIRCLE, WIRE] = [SHAPES.indexOf("box"), SHAPES.indexOf("circle"), SHAPES.indexOf("wire")];
const KINDS: readonly Wire["kind"][] = ["data", "cut", "state"];

export const { arrange, effort } = engine();
const nests = new WeakMap<Tree, Nest>();
const caches = new WeakMap<Tree, Known>();

/** `open` has the ids of open groups; `cache` is filled, and saves work the next time. */
export function layoutTree(tree: Tree, open: ReadonlySet<string>, cache = cacheOf(tree)): LayoutResult {
  return dressed(tree, arrange(nestOf(tree), opened(tree, open), cache));
}

/** Rooms of this tree that were laid out. */
function cacheOf(tree: Tree): Known {
  const cache: Known = caches.get(tree) ?? new Map();
  caches.set(tree, cache);
  return cache;
}

/** Marks the groups that are open. */
export function opened(tree: Tree, open: ReadonlySet<string>): Uint8Array {
  return Uint8Array.from(tree.groups, (group) => Number(open.has(group.id)));
}

/** What the layout knows of a tree, made once. */
export function nestOf(tree: Tree): Nest {
  const known = nests.get(tree);
  if (known) return known;
  const { boxes, groups, links } = tree;
  const items = new Float64Array(FIELDS * (boxes.length + groups.length));
  boxes.forEach((box, i) => items.set(itemOf(box), FIELDS * i));
  groups.forEach(({ w, h, kind }, i) => {
    const back = kind === "run" ? STACK : 0;
    items.set([w + 2 * back, h / 2 + back, h / 2, 0, w, h, BOX], FIELDS * (boxes.length + i));
  });
  const nest: Nest = {
    boxes: boxes.length, items, scope: Int32Array.from(tree.scope),
    parents: Int32Array.from(groups, (group) => group.parent), first: Int32Array.from(groups, (group) => group.first),
    heads: Float64Array.from(groups, (group) => group.head),
    from: Int32Array.from(links, (link) => link[0]), to: Int32Array.from(links, (link) => link[1]),
    kinds: Uint8Array.from(links, (link) => KINDS.indexOf(link[2])),
  };
  nests.set(tree, nest);
  return nest;
}

/**
 * A box as the layout sees it.
 *
 * Where texts are wider than a shape, wires run straight past them before they turn; they meet the round ends of a pill
 * in the middle.
 */
function itemOf({ shape, w, cw, ch, name, above, above_figures, below, below_figures }: TreeBox): Item {
  const over = ch / 2 + (Number(!!name) + Number(!!above) + Number(!!above_figures)) * TEXT_LINE + 2;
  const under = ch / 2 + (Number(!!below) + Number(!!below_figures)) * TEXT_LINE + 2;
  if (w > cw && shape !== "wire") return [w, over, under, cw, w, 0, BOX];
  if (shape === "circle" || shape === "wire") return [w, over, under, 0, cw, ch, shape === "wire" ? WIRE : CIRCLE];
  return [w, over, under, 0, cw, shape === "pill" ? 0 : ch, BOX];
}

/** To the tenth of a pixel, as payloads have it. */
function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}

/** What is seen, with all that is known of it. */
export function dressed(tree: Tree, { width, height, spots, frames, lines }: Arrangement): LayoutResult {
  const count = tree.boxes.length;
  const seen = new Map<number, Box>();
  for (const [item, x, y] of spots) {
    const group = tree.groups[item - count];
    const box = group ? boxOfGroup(group, 0, 0) : whole(tree.boxes[item]!);
    [box.x, box.y] = [tenth(x), tenth(y)];
    seen.set(item, box);
  }
  const wires = lines.map(([start, end, kind, d], i): Wire => {
    const [from, to] = [seen.get(start)!, seen.get(end)!];
    return { id: `w${i}`, from: from.id, to: to.id, d, arrow: to.shape !== "wire", kind: KINDS[kind]! };
  });
  const placed = frames.map(([group, x, y, w, h, depth]): Frame => {
    const { id, label, sub, badge, severity } = tree.groups[group]!;
    return { id, label, sub, x: tenth(x), y: tenth(y), w: tenth(w), h: tenth(h), depth, head: HEAD, badge, severity };
  });
  return { width: tenth(width), height: tenth(height), boxes: [...seen.values()], wires, frames: placed };
}
