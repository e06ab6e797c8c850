/** Orders of derivatives as layers of the pictures: what belongs to one of them, and what is faint beside it. */
import type { Box, Payload, Picture } from "./payload";
import { pictureOf } from "./picture";
import type { State } from "./state";

const layerOf = (box: Pick<Box, "layer">): number => box.layer ?? 1;

/** The orders that there are, lowest first; none where there is only one. */
export function layersOf({ pictures }: Payload): number[] {
  const orders = new Set([...ordersOf(pictures.forward), ...ordersOf(pictures.backward)]);
  orders.delete(0);
  return orders.size > 1 ? [...orders].sort((a, b) => a - b) : [];
}

const known = new WeakMap<Picture, Set<number>>();

/** The orders of all boxes, also of those in folded groups. */
function ordersOf(picture: Picture): Set<number> {
  const orders = known.get(picture) ?? new Set((picture.tree ?? picture).boxes.map(layerOf));
  known.set(picture, orders);
  return orders;
}

export function hasLayer(picture: Picture, layer: number): boolean {
  return layer === 0 || ordersOf(picture).has(layer);
}

/** Boxes and wires that do not belong to a layer; none for 0, and where the picture has nothing of it.
    A wire belongs to the higher one of its ends; a leaf to every layer that has a wire at it. */
export function faintParts(picture: Picture, layer: number): ReadonlySet<string> {
  const faint = new Set<string>();
  if (layer === 0 || !picture.boxes.some((box) => layerOf(box) === layer)) return faint;
  const layers = new Map(picture.boxes.map((box) => [box.id, layerOf(box)]));
  const used = new Set<string>();
  for (const { id, from, to } of picture.wires) {
    if (Math.max(layers.get(from) ?? 0, layers.get(to) ?? 0) === layer) used.add(from).add(to);
    else faint.add(id);
  }
  for (const [id, own] of layers) {
    if (own !== layer && (own !== 0 || !used.has(id))) faint.add(id);
  }
  return faint;
}

/** Goes on to the next layer that the picture has, and from the last one to all. */
export function nextLayer(payload: Payload, { layer, mode }: State): void {
  const picture = pictureOf(payload, mode.value);
  const all = [0, ...layersOf(payload).filter((order) => hasLayer(picture, order))];
  layer.value = all[(all.indexOf(layer.value) + 1) % all.length] ?? 0;
}
