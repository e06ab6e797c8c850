/** Where a key leads: along the wires to the sides, to the neighbours of the same column up and down. */
import type { Box, Frame } from "./payload";
import type { Index } from "./picture";

export const ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"] as const;
export type Arrow = (typeof ARROWS)[number];

/** Centres this near to each other count as one column, in px. */
const COLUMN = 30;

export function isArrow(key: string): key is Arrow {
  return (ARROWS as readonly string[]).includes(key);
}

/** The box that the arrow leads to from this one; none where there is nothing on that side. */
export function neighbour(index: Index, from: string, key: Arrow): Box | undefined {
  const here = index.boxes.get(from);
  if (!here) return undefined;
  const frame = index.frames.get(from);
  if (frame && (key === "ArrowRight" || key === "ArrowDown")) return entry(index, frame);
  if (key === "ArrowLeft" || key === "ArrowRight") return along(index, here, key === "ArrowRight" ? 1 : -1);
  return across(index, here, key === "ArrowDown" ? 1 : -1);
}

function along(index: Index, here: Box, side: 1 | -1): Box | undefined {
  const wires = index.wires.get(here.id) ?? [];
  const ends = wires.map((wire) => index.boxes.get(wire.from === here.id ? wire.to : wire.from));
  const there = ends.filter((box): box is Box => box !== undefined && (box.x - here.x) * side > 0);
  if (there.length === 0 && side < 0) return around(index, here);
  return nearest(there, (box) => Math.abs(box.y - here.y) * 4 + Math.abs(box.x - here.x));
}

function across(index: Index, here: Box, side: 1 | -1): Box | undefined {
  const header = side < 0 ? around(index, here) : undefined;
  const top = header ? header.y : -Infinity;
  const there = [...index.boxes.values()].filter((box) => (box.y - here.y) * side > 1 && box.y > top);
  const column = there.filter((box) => Math.abs(box.x - here.x) < COLUMN);
  const cost = (box: Box): number => Math.abs(box.y - here.y) + Math.abs(box.x - here.x) * 2;
  return nearest(column, cost) ?? header ?? nearest(there, cost);
}

/** The header of the innermost open group around a box or header. */
function around(index: Index, here: Box): Box | undefined {
  const holders = index.scopes.holders(here.id).filter(({ id }) => index.frames.has(id));
  return index.boxes.get(holders.at(-1)?.id ?? "");
}

/** Where one comes to from a header: what is furthest to the left in its group. */
function entry(index: Index, frame: Frame): Box | undefined {
  const inside = [...index.boxes.values()].filter((box) => index.scopes.holders(box.id).at(-1)?.id === frame.id);
  return nearest(inside, (box) => box.x * 4 + box.y);
}

function nearest(boxes: Box[], cost: (box: Box) => number): Box | undefined {
  let best: Box | undefined;
  for (const box of boxes) if (best === undefined || cost(box) < cost(best)) best = box;
  return best;
}

/** Index of the entry that a key leads to in a row of `length` entries; -1 where the key does nothing. */
export function step(at: number, length: number, key: string): number {
  if (length === 0) return -1;
  if (key === "Home") return 0;
  if (key === "End") return length - 1;
  if (key === "ArrowRight" || key === "ArrowDown") return (at + 1) % length;
  if (key === "ArrowLeft" || key === "ArrowUp") return (at - 1 + length) % length;
  return -1;
}
