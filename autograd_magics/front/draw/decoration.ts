/** How boxes and wires look because of what is selected, looked for, pointed at, or under the keyboard. */
import type { Context } from "../context";
import { find } from "../find";
import { faintParts } from "../layers";
import { pathOf, type Path } from "../path";
import { itemOf, type Picture } from "../payload";
import type { Index } from "../picture";
import { isGroup } from "../scopes";
import { healthLooks } from "./health";
import { nudgedValues, showValue } from "./nudge";
import type { Decoration } from "./scene";

/** Found boxes that are drawn even where all others are painted. */
const FOUND = 100;
/** A wire longer than so many usual ones, and than this in px, is a skip. */
const LONG = 4;
const LONG_PX = 240;

type Mark = "selected" | "related" | "holds";

export function decoration(context: Context, index: Index, pointed: string): Decoration {
  const { selection, query, cursor, layer, calm } = context.state;
  const marks = marksOf(context, index);
  const valueOf = nudgedValues(context);
  const showSize = healthLooks(context, index);
  const stop = cursor.value;
  const looking = query.value.trim() !== "";
  const found = new Set(looking ? find(context, index.scopes.picture, query.value).map(index.seen) : []);
  const near = nearBy(index, [selection.value, ...(calm.value ? [itemOf(pointed)] : [])]);
  const faint = faintParts(index.picture, layer.value);
  const path = shownPath(context, index);
  const alike = alikeOf(index, isGroup(pointed) ? pointed : selection.value);
  const skips = calm.value ? longWires(index.picture) : new Set<string>();
  const off = (id: string): boolean => !!path && !path.boxes.has(id) && !path.wires.has(id) && !index.frames.has(id);
  const missed = (id: string): boolean => looking && !found.has(id) && !index.frames.has(id);
  const dim = (id: string): boolean => missed(id) || faint.has(id) || off(id) || (skips.has(id) && !near.has(id));
  return {
    dim,
    kept: (id) => marks.has(id) || near.has(id) || (found.size <= FOUND && found.has(id)),
    apply: (id, element) => {
      const mark = marks.get(id);
      for (const name of ["selected", "related", "holds"]) element.classList.toggle(name, mark === name);
      const classes = { near: near.has(id), found: found.has(id), missed: missed(id), faint: faint.has(id) };
      const more = { off: off(id), along: !!path?.wires.has(id), skip: skips.has(id), alike: alike.has(id) };
      for (const [name, wanted] of Object.entries({ ...classes, ...more })) element.classList.toggle(name, wanted);
      showSize(id, element);
      if (!element.hasAttribute("data-box")) return;
      showValue(element, valueOf(itemOf(id)));
      element.setAttribute("tabindex", id === stop ? "0" : "-1");
      if (!isGroup(id)) element.setAttribute("aria-pressed", String(mark === "selected"));
    },
  };
}

/** The boxes of what is selected and of what is related to it; folded groups stand for what they hold. */
function marksOf({ state, related }: Context, index: Index): Map<string, Mark> {
  const marks = new Map<string, Mark>();
  const item = state.selection.value;
  if (item === "") return marks;
  for (const box of index.at(item)) marks.set(box.id, itemOf(box.id) === item ? "selected" : "holds");
  for (const other of related(item)) {
    for (const box of index.at(other)) if (!marks.has(box.id)) marks.set(box.id, "related");
  }
  return marks;
}

/** The wires at the boxes of items, and the boxes at their other ends; through the text on a wire to its far end. */
function nearBy(index: Index, items: string[]): Set<string> {
  const near = new Set<string>();
  const spread = (id: string): void => {
    for (const wire of index.wires.get(id) ?? []) {
      if (near.has(wire.id)) continue;
      near.add(wire.id).add(wire.from).add(wire.to);
      const other = wire.from === id ? wire.to : wire.from;
      if (index.boxes.get(other)?.shape === "wire") spread(other);
    }
  };
  for (const item of items) index.at(item).forEach((box) => spread(box.id));
  return near;
}

/** The path that is asked for of what is selected; null for none. */
function shownPath({ state, related }: Context, index: Index): Path | null {
  const [way, item] = [state.path.value, state.selection.value];
  if (way === "" || item === "") return null;
  const { scopes } = index;
  const boxes = [item, ...related(item)].map((one) => scopes.boxesIn(one)).find((some) => some.length > 0);
  const down = (way === "loss") === (state.mode.value !== "backward");
  return boxes ? pathOf(scopes, index.picture, boxes, down, index.seen) : null;
}

function alikeOf(index: Index, id: string): Set<string> {
  const some = isGroup(id) ? index.scopes.alike(id).map((group) => group.id) : [];
  return new Set(some.length > 1 ? some : []);
}

const known = new WeakMap<Picture, Set<string>>();

/** Wires that pass by many boxes. */
export function longWires(picture: Picture): ReadonlySet<string> {
  let long = known.get(picture);
  if (long) return long;
  const places = new Map(picture.boxes.map((box) => [box.id, box.x]));
  const lengths = picture.wires.map(({ id, from, to }): [string, number] => {
    return [id, Math.abs((places.get(to) ?? 0) - (places.get(from) ?? 0))];
  });
  const usual = lengths.map(([, length]) => length).sort((a, b) => a - b)[lengths.length >> 1] ?? 0;
  const limit = Math.max(LONG * usual, LONG_PX);
  known.set(picture, (long = new Set(lengths.filter(([, length]) => length > limit).map(([id]) => id))));
  return long;
}
