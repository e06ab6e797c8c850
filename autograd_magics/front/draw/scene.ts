/** The boxes and wires that are on the screen now.  Others are made when they come into sight. */
import { s } from "../dom";
import { bounds, wireBounds, type Index } from "../picture";
import { overlaps, visible, type Rect, type Size, type View } from "../viewport";
import { drawBox, drawWire } from "./box";

/** Beyond the edge of the screen, in px of the picture, so that a short move finds everything drawn. */
const MARGIN = 80;
/** Below this scale texts are dust: only shapes are drawn. */
const FAR = 0.35;

interface Part {
  id: string;
  rect: Rect;
  element: SVGGElement | null;
  make: () => SVGGElement;
}

export type Decorate = (id: string, element: SVGGElement) => void;

export class Scene {
  readonly root = s("g", { class: "scene" });
  readonly #wires: Part[];
  readonly #boxes: Part[];
  readonly #byId: Map<string, Part>;
  readonly #layers = { wires: s("g", { class: "wires" }), boxes: s("g", { class: "boxes" }) };
  #decorate: Decorate = () => undefined;
  #pose: Decorate = () => undefined;

  constructor(index: Index) {
    this.#wires = index.picture.wires.map((wire) => {
      return { id: wire.id, rect: wireBounds(wire), element: null, make: () => drawWire(wire) };
    });
    this.#boxes = index.picture.boxes.map((box) => {
      return { id: box.id, rect: bounds(box), element: null, make: () => drawBox(box) };
    });
    this.#byId = new Map([...this.#wires, ...this.#boxes].map((part) => [part.id, part]));
    this.root.append(this.#layers.wires, this.#layers.boxes);
  }

  /** Moves to this view and draws what is in it; the box `kept` stays, wherever it is, because it has the focus. */
  show(view: View, screen: Size, kept: string): void {
    const [x, y, k] = [view.x.toFixed(2), view.y.toFixed(2), view.k.toFixed(4)];
    this.root.setAttribute("transform", `translate(${x} ${y}) scale(${k})`);
    this.root.classList.toggle("far", view.k < FAR);
    const { left, top, right, bottom } = visible(view, screen);
    const sight = { left: left - MARGIN, top: top - MARGIN, right: right + MARGIN, bottom: bottom + MARGIN };
    for (const part of this.#wires) this.#set(part, this.#layers.wires, overlaps(part.rect, sight));
    for (const part of this.#boxes) this.#set(part, this.#layers.boxes, part.id === kept || overlaps(part.rect, sight));
  }

  #set(part: Part, layer: SVGGElement, wanted: boolean): void {
    if (wanted === (part.element?.parentNode === layer)) return;
    if (!wanted) return part.element?.remove();
    part.element ??= part.make();
    this.#decorate(part.id, part.element);
    this.#pose(part.id, part.element);
    layer.append(part.element);
  }

  /** Gives every box and wire that is drawn, now or later, its classes. */
  decorate(decorate: Decorate): void {
    this.#decorate = decorate;
    for (const part of [...this.#wires, ...this.#boxes]) {
      if (part.element?.parentNode) decorate(part.id, part.element);
    }
  }

  /** Poses those that are drawn, or only these, and all that are drawn later. */
  pose(pose: Decorate, ids: Iterable<string> | null): void {
    this.#pose = pose;
    for (const id of ids ?? this.#byId.keys()) {
      const element = this.#byId.get(id)?.element;
      if (element?.parentNode) pose(id, element);
    }
  }

  element(box: string): SVGGElement | null {
    return this.#byId.get(box)?.element ?? null;
  }
}
