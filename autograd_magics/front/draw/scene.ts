/** The boxes, wires and open groups that are on the screen now.  Others are made when they come into sight. */
import { s } from "../dom";
import type { Box } from "../payload";
import { bounds, wireBounds, type Index } from "../picture";
import { prefersStillness } from "../theme";
import { overlaps, visible, type Rect, type Size, type View } from "../viewport";
import { drawBox, drawWire } from "./box";
import { drawFrame, nameGroup } from "./frame";
import { large } from "../slot";
import type { Dim, Overview } from "./overview";

/** Beyond the edge of the screen, in px of the picture, so that a short move finds everything drawn. */
const MARGIN = 80;
/** Below this scale texts are dust: only shapes are drawn. */
const FAR = 0.35;
/** More boxes than these in sight are painted, not made; so many fewer from afar, where there is nothing to read. */
const CROWD = { near: 250, far: 60 };
/** How long boxes take to their new places, in ms, and how many do. */
const GLIDE = 180;
const GLIDING = 300;

interface Part {
  id: string;
  rect: Rect;
  element: SVGGElement | null;
  make: () => SVGGElement;
}

export type Decorate = (id: string, element: SVGGElement) => void;

/** Looks of boxes and wires; `kept`: those that are always made, `dim`: those that are faint where they are painted. */
export interface Decoration {
  apply: Decorate;
  kept: (id: string) => boolean;
  dim: Dim;
}

export class Scene {
  readonly root = s("g", { class: "scene" });
  readonly overview: Overview | null;
  readonly #index: Index;
  readonly #parts: Record<"frames" | "wires" | "boxes", Part[]>;
  readonly #byId: Map<string, Part>;
  readonly #layers = {
    frames: s("g", { class: "frames" }),
    wires: s("g", { class: "wires" }),
    boxes: s("g", { class: "boxes" }),
  };
  #decoration: Decoration = { apply: () => undefined, kept: () => false, dim: () => false };
  #pose: Decorate = () => undefined;
  #later: Dim = () => false;
  #shown: [View, Size, string] | null = null;

  constructor(index: Index) {
    const engine = large();
    this.overview = engine ? new engine.Overview() : null;
    const { scopes, picture } = (this.#index = index);
    const frames = [...index.frames.values()].map((frame): Part => {
      const rect = { left: frame.x, right: frame.x + frame.w, top: frame.y, bottom: frame.y + frame.h };
      return { id: frame.id, rect, element: null, make: () => named(drawFrame(frame), frame.id, true) };
    });
    const wires = picture.wires.map((wire): Part => {
      return { id: wire.id, rect: wireBounds(wire), element: null, make: () => drawWire(wire) };
    });
    const make = (box: Box): SVGGElement => named(drawBox(box, scopes.group(box.id)?.facts), box.id, false);
    const boxes = picture.boxes.map((box): Part => {
      return { id: box.id, rect: bounds(box), element: null, make: () => make(box) };
    });
    const named = (element: SVGGElement, id: string, open: boolean): SVGGElement => {
      const group = scopes.group(id);
      if (group) nameGroup(element, group, open);
      return element;
    };
    this.#parts = { frames, wires, boxes };
    this.#byId = new Map([...wires, ...boxes, ...frames].map((part) => [part.id, part]));
    this.root.append(...Object.values(this.#layers));
  }

  /** Moves to this view and draws what is in it; the box `kept` stays, wherever it is, because it has the focus. */
  show(view: View, screen: Size, kept: string): void {
    this.#shown = [view, screen, kept];
    const [x, y, k] = [view.x.toFixed(2), view.y.toFixed(2), view.k.toFixed(4)];
    this.root.setAttribute("transform", `translate(${x} ${y}) scale(${k})`);
    this.root.classList.toggle("far", view.k < FAR);
    const { left, top, right, bottom } = visible(view, screen);
    const sight = { left: left - MARGIN, top: top - MARGIN, right: right + MARGIN, bottom: bottom + MARGIN };
    const seen = ({ rect }: Part): boolean => overlaps(rect, sight);
    const many = view.k < FAR ? CROWD.far : CROWD.near;
    const crowded = this.#parts.boxes.length > many && this.#parts.boxes.filter(seen).length > many;
    const painted = crowded && this.overview?.show(this.#index, view, screen);
    if (!painted) this.overview?.hide();
    for (const layer of ["frames", "wires", "boxes"] as const) {
      const few = layer === "frames" && this.#parts.frames.filter(seen).length <= CROWD.far;
      for (const part of this.#parts[layer]) {
        const wanted = seen(part) && (!painted || few || this.#decoration.kept(part.id));
        this.#set(part, this.#layers[layer], wanted || part.id === kept);
      }
    }
  }

  #set(part: Part, layer: SVGGElement, wanted: boolean): void {
    if (wanted === (part.element?.parentNode === layer)) return;
    if (!wanted) return part.element?.remove();
    part.element ??= part.make();
    this.#decoration.apply(part.id, part.element);
    this.#pose(part.id, part.element);
    layer.append(part.element);
  }

  /** Gives every box and wire that is drawn, now or later, its classes. */
  decorate(decoration: Decoration): void {
    this.#decoration = decoration;
    for (const part of this.#byId.values()) {
      if (part.element?.parentNode) decoration.apply(part.id, part.element);
    }
    this.#repaint();
  }

  /** Poses those that are drawn, or only these, and all that are drawn later. */
  pose(pose: Decorate, ids: Iterable<string> | null, later: Dim): void {
    this.#pose = pose;
    this.#later = later;
    for (const id of ids ?? this.#byId.keys()) {
      const element = this.#byId.get(id)?.element;
      if (element?.parentNode) pose(id, element);
    }
    this.#repaint();
  }

  /** What is painted is made anew. */
  #repaint(): void {
    const [dim, later] = [this.#decoration.dim, this.#later];
    this.overview?.forget((id) => later(id) || dim(id));
    if (this.overview?.canvas.hidden === false) this.refresh();
  }

  refresh(): void {
    this.overview?.forget();
    if (this.#shown) this.show(...this.#shown);
  }

  element(box: string): SVGGElement | null {
    return this.#byId.get(box)?.element ?? null;
  }

  /** Lets what was drawn before move from its old places, `dx` and `dy` away in px of this picture; the rest appears. */
  glideFrom(before: Scene, dx: number, dy: number): void {
    const drawn = [...this.#byId.values()].filter((part) => part.element?.parentNode);
    if (drawn.length > 2 * GLIDING || prefersStillness() || typeof this.root.animate !== "function") return;
    const options = { duration: GLIDE, easing: "ease-out" };
    for (const { id, element } of drawn) {
      const [to, from] = [placeOf(element), placeOf(before.element(id))];
      if (!to || !from) element?.animate([{ opacity: 0 }, { opacity: 0, offset: 0.3 }, {}], options);
      else {
        const places = [[from[0] + dx, from[1] + dy], to].map(([x, y]) => ({ transform: `translate(${x}px, ${y}px)` }));
        element?.animate(places, options);
      }
    }
  }
}

/** Where an element stands by its own attribute; null where it has none. */
function placeOf(element: Element | null): [number, number] | null {
  const [, x, y] = /^translate\((\S+) (\S+)\)$/.exec(element?.getAttribute("transform") ?? "") ?? [];
  return x === undefined || y === undefined ? null : [Number(x), Number(y)];
}
