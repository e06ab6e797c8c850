/** Questions about a picture: which boxes there are, where, and which is next to which. */
import type { Mode } from "./state";
import { itemOf, type Box, type Frame, type Item, type Payload, type Picture, type Wire } from "./payload";
import { boxOfGroup, isGroup, scopesOf, type Open, type Scopes } from "./scopes";
import type { Rect } from "./viewport";

export interface Index {
  readonly picture: Picture;
  /** All that is in it, also in its folded groups. */
  readonly scopes: Scopes;
  /** Boxes, and the headers of open groups as boxes. */
  readonly boxes: ReadonlyMap<string, Box>;
  readonly frames: ReadonlyMap<string, Frame>;
  /** Boxes of an item: its own and its repetitions. */
  readonly ofItem: ReadonlyMap<Item, readonly Box[]>;
  /** Wires that begin or end at a box. */
  readonly wires: ReadonlyMap<string, readonly Wire[]>;
  /** What is seen of a box or group with this id: itself, or the folded group that it is in. */
  seen(id: string): string;
  /** The boxes of an item, or the folded groups that they are in. */
  at(item: Item): readonly Box[];
}

export function pictureOf(payload: Payload, mode: Mode): Picture {
  return mode === "backward" ? payload.pictures.backward : payload.pictures.forward;
}

/** `open`: the groups that are unfolded in it. */
export function indexPicture(picture: Picture, scopes: Scopes = scopesOf(picture), open: Open = new Set()): Index {
  const ofItem = new Map<Item, Box[]>();
  const wires = new Map<string, Wire[]>();
  const frames = new Map((picture.frames ?? []).map((frame) => [frame.id, frame]));
  const headers = [...frames.values()].flatMap((frame) => header(scopes, frame) ?? []);
  const boxes = new Map([...picture.boxes, ...headers].map((box) => [box.id, box]));
  for (const box of boxes.values()) push(ofItem, itemOf(box.id), box);
  for (const wire of picture.wires) {
    push(wires, wire.from, wire);
    if (wire.to !== wire.from) push(wires, wire.to, wire);
  }
  const seen = scopes.seen(scopes.covers(open));
  const at = (item: Item): readonly Box[] => {
    const own = ofItem.get(item);
    if (own || scopes.groups.size === 0) return own ?? [];
    const ids = isGroup(item) ? [item] : scopes.boxesOf(item).map((box) => scopes.tree.boxes[box]?.id ?? "");
    return [...new Set(ids.map(seen))].flatMap((id) => boxes.get(id) ?? []);
  };
  return { picture, scopes, boxes, frames, ofItem, wires, seen, at };
}

/** The header of an open group as a box. */
function header(scopes: Scopes, { id, x, y, w, head }: Frame): Box | undefined {
  const group = scopes.group(id);
  const width = Math.min(w, group?.head ?? w);
  return group && { ...boxOfGroup(group, x + width / 2, y + head / 2), w: width, h: head, cw: width, ch: head };
}

/** Height in which the name of a folded group stands, in px. */
export const FOLDED = 30;

/** A point of a box that stays where it is when its group is folded or unfolded: where its name begins. */
export function cornerOf(box: Box): [number, number] {
  return box.shape === "group" ? [box.x - box.w / 2, box.y - box.h / 2 + Math.min(box.h, FOLDED) / 2] : [box.x, box.y];
}

function push<V>(table: Map<string, V[]>, key: string, value: V): void {
  const known = table.get(key);
  if (known) known.push(value);
  else table.set(key, [value]);
}

/** The room of a box with its texts. */
export function bounds(box: Box): Rect {
  return { left: box.x - box.w / 2, right: box.x + box.w / 2, top: box.y - box.h / 2, bottom: box.y + box.h / 2 };
}

/** The room of a wire, including the bend of its curve between the two boxes. */
export function wireBounds(wire: Wire): Rect {
  const numbers = (wire.d.match(/-?\d+(\.\d+)?/g) ?? []).map(Number);
  const xs = numbers.filter((_, i) => i % 2 === 0);
  const ys = numbers.filter((_, i) => i % 2 === 1);
  return { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
}

/** Where reading begins: the box furthest to the left, the upper one of several. */
export function firstBox(picture: Picture): Box | undefined {
  return [...picture.boxes].sort((a, b) => a.x - b.x || a.y - b.y)[0];
}

/** Where the upper end is of what lies in the first `width` px. */
export function topOf({ boxes, frames = [] }: Picture, width: number): number {
  let top = Infinity;
  for (const { x, y } of frames) if (x < width) top = Math.min(top, y);
  for (const { x, y, h } of boxes) if (x < width) top = Math.min(top, y - h / 2);
  return top;
}
