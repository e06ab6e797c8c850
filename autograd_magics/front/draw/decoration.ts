/** How boxes and wires look because of what is selected, looked for, or under the keyboard. */
import { markOf, type Context } from "../context";
import { itemOf } from "../payload";
import { faintParts } from "../layers";
import { findBoxes, type Index } from "../picture";
import { nudgedValues, showValue } from "./nudge";
import type { Decorate } from "./scene";

export function decoration(context: Context, index: Index): Decorate {
  const { selection, query, cursor, layer } = context.state;
  const mark = markOf(context);
  const valueOf = nudgedValues(context);
  const stop = cursor.value;
  const looking = query.value.trim() !== "";
  const found = new Set(findBoxes(index.picture, query.value).map((box) => box.id));
  const near = nearBy(index, selection.value);
  const faint = faintParts(index.picture, layer.value);
  return (id, element) => {
    const box = element.hasAttribute("data-box");
    const marked = box ? mark(itemOf(id)) : "";
    element.classList.toggle("selected", marked === "selected");
    element.classList.toggle("related", marked === "related");
    element.classList.toggle("near", near.has(id));
    element.classList.toggle("found", found.has(id));
    element.classList.toggle("missed", looking && !found.has(id));
    element.classList.toggle("faint", faint.has(id));
    if (!box) return;
    showValue(element, valueOf(itemOf(id)));
    element.setAttribute("tabindex", id === stop ? "0" : "-1");
    element.setAttribute("aria-pressed", String(marked === "selected"));
  };
}

/** The wires at the boxes of an item, and the boxes at their other ends; through the text on a wire to its far end. */
function nearBy(index: Index, item: string): Set<string> {
  const near = new Set<string>();
  const spread = (id: string): void => {
    for (const wire of index.wires.get(id) ?? []) {
      if (near.has(wire.id)) continue;
      near.add(wire.id).add(wire.from).add(wire.to);
      const other = wire.from === id ? wire.to : wire.from;
      if (index.boxes.get(other)?.shape === "wire") spread(other);
    }
  };
  for (const box of index.ofItem.get(item) ?? []) spread(box.id);
  return near;
}
