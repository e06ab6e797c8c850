/** Questions about a picture: which boxes there are, where, and which is next to which. */
import type { Mode } from "./state";
import { itemOf, type Box, type Item, type Payload, type Picture, type Wire } from "./payload";
import type { Rect } from "./viewport";

export interface Index {
  readonly picture: Picture;
  readonly boxes: ReadonlyMap<string, Box>;
  /** Boxes of an item: its own and its repetitions. */
  readonly ofItem: ReadonlyMap<Item, readonly Box[]>;
  /** Wires that begin or end at a box. */
  readonly wires: ReadonlyMap<string, readonly Wire[]>;
}

export function pictureOf(payload: Payload, mode: Mode): Picture {
  return mode === "backward" ? payload.pictures.backward : payload.pictures.forward;
}

export function indexPicture(picture: Picture): Index {
  const ofItem = new Map<Item, Box[]>();
  const wires = new Map<string, Wire[]>();
  for (const box of picture.boxes) push(ofItem, itemOf(box.id), box);
  for (const wire of picture.wires) {
    push(wires, wire.from, wire);
    if (wire.to !== wire.from) push(wires, wire.to, wire);
  }
  return { picture, boxes: new Map(picture.boxes.map((box) => [box.id, box])), ofItem, wires };
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

/** Boxes whose text contains the query; upper and lower case are the same. */
export function findBoxes(picture: Picture, query: string): Box[] {
  const wanted = query.trim().toLowerCase();
  if (wanted === "") return [];
  const found = picture.boxes.filter((box) => `${box.label}\n${box.name}\n${box.title}`.toLowerCase().includes(wanted));
  return found.sort((a, b) => a.x - b.x || a.y - b.y);
}
