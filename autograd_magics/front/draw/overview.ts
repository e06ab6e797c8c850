/** Pictures with very many boxes in sight, painted on a canvas: that bitmap is moved as it is, and seldom made anew. */
import { h } from "../dom";
import type { Box } from "../payload";
import { bounds, type Index } from "../picture";
import { clamp, overlaps, visible, type Rect, type Size, type View } from "../viewport";

/** The bitmap serves scales from its own times the first to that times the second. */
const SERVES = [0.7, 1.45] as const;
/** Pixels of the largest bitmap. */
const PIXELS = 6e6;
/** After so long without a move the bitmap is made as sharp as the screen, in ms. */
const REST = 140;
/** From this scale on labels can be read. */
const LABELS = 0.35;

export const COLOURS: Partial<Record<Box["style"], string>> = {
  ...{ leaf: "--leaf", accumulate: "--leaf", input: "--input", cut: "--bwd", node: "--bwd", failed: "--error" },
  ...{ unseen: "--dim", scope: "--dim" },
};

export type Dim = (id: string) => boolean;

interface Bitmap {
  area: Rect;
  k: number;
}

export class Overview {
  readonly canvas = h("canvas", { class: "overview", "aria-hidden": "true", hidden: true });
  #bitmap: Bitmap | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dim: Dim = () => false;

  /** What is on it is no longer right. */
  forget(dim: Dim = this.#dim): void {
    this.#dim = dim;
    this.#bitmap = null;
  }

  hide(): void {
    clearTimeout(this.#timer);
    this.canvas.hidden = true;
    this.forget();
  }

  /** False where nothing can be painted. */
  show(index: Index, view: View, screen: Size): boolean {
    this.canvas.hidden = false;
    const seen = within(visible(view, screen), index);
    if (!this.#serves(view.k, seen) && !this.#paint(index, view, screen)) return false;
    const bitmap = this.#bitmap;
    if (!bitmap) return false;
    const [x, y] = [bitmap.area.left * view.k + view.x, bitmap.area.top * view.k + view.y];
    this.canvas.style.transform = `translate(${x}px, ${y}px) scale(${view.k / bitmap.k})`;
    clearTimeout(this.#timer);
    if (bitmap.k !== view.k) {
      this.#timer = setTimeout(() => {
        this.forget();
        this.show(index, view, screen);
      }, REST);
    }
    return true;
  }

  #serves(k: number, seen: Rect): boolean {
    if (!this.#bitmap) return false;
    const { area } = this.#bitmap;
    const share = k / this.#bitmap.k;
    const across = area.left <= seen.left && area.right >= seen.right;
    const inside = across && area.top <= seen.top && area.bottom >= seen.bottom;
    return inside && share >= SERVES[0] && share <= SERVES[1];
  }

  /** Paints what is in sight and as much again on every side. */
  #paint(index: Index, view: View, screen: Size): boolean {
    const context = this.canvas.getContext("2d");
    if (!context) return false;
    const { left, top, right, bottom } = visible(view, screen);
    const [wide, high] = [right - left, bottom - top];
    const area = within({ left: left - wide, top: top - high, right: right + wide, bottom: bottom + high }, index);
    const [width, height] = [(area.right - area.left) * view.k, (area.bottom - area.top) * view.k];
    const density = Math.min(globalThis.devicePixelRatio || 1, Math.sqrt(PIXELS / Math.max(width * height, 1)));
    Object.assign(this.canvas, { width: Math.ceil(width * density), height: Math.ceil(height * density) });
    Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
    const scale = view.k * density;
    context.setTransform(scale, 0, 0, scale, -area.left * scale, -area.top * scale);
    paint(context, index, area, view.k, this.#dim);
    this.#bitmap = { area, k: view.k };
    return true;
  }
}

/** The part of an area that the picture covers. */
function within({ left, top, right, bottom }: Rect, { picture }: Index): Rect {
  const [w, h] = [picture.width, picture.height];
  return { left: clamp(left, 0, w), top: clamp(top, 0, h), right: clamp(right, 0, w), bottom: clamp(bottom, 0, h) };
}

const curves = new WeakMap<Index, Map<string, Path2D>>();

/** The values of the style sheet's colours where an element stands. */
export function palette(element: Element): (name: string) => string {
  const style = getComputedStyle(element);
  const known = new Map<string, string>();
  return (name) => {
    const found = known.get(name) ?? (style.getPropertyValue(name).trim() || "#888");
    known.set(name, found);
    return found;
  };
}

/** Draws the shapes of an area, lines with the same width on the screen whatever the scale `k` of the context. */
function paint(context: CanvasRenderingContext2D, index: Index, area: Rect, k: number, dim: Dim): void {
  const colour = palette(context.canvas);
  const [dimmed, ground] = [colour("--dim"), colour("--bg")];
  context.lineJoin = "round";
  for (const { x, y, w, h } of index.frames.values()) {
    context.globalAlpha = 0.05;
    context.fillStyle = colour("--fg");
    context.fillRect(x, y, w, h);
    context.globalAlpha = 0.6;
    context.lineWidth = 1 / k;
    context.strokeStyle = dimmed;
    context.strokeRect(x, y, w, h);
  }
  context.strokeStyle = dimmed;
  context.lineWidth = Math.max(1.3, 0.8 / k);
  paintWires(context, index, dim);
  for (const box of index.picture.boxes) {
    if (!overlaps(bounds(box), area)) continue;
    context.globalAlpha = dim(box.id) ? 0.2 : 1;
    context.strokeStyle = colour(COLOURS[box.style] ?? "--fwd");
    context.fillStyle = k < LABELS && box.shape !== "group" ? dimmed : ground;
    context.lineWidth = Math.max(1.6, 1 / k);
    context.beginPath();
    outline(context, box);
    if (box.shape !== "wire") context.fill();
    context.stroke();
    if (k >= LABELS) label(context, box, colour("--fg"));
  }
  context.globalAlpha = 1;
}

function paintWires(context: CanvasRenderingContext2D, index: Index, dim: Dim): void {
  let paths = curves.get(index);
  if (!paths) curves.set(index, (paths = new Map(index.picture.wires.map(({ id, d }) => [id, new Path2D(d)]))));
  const [plain, faint] = [new Path2D(), new Path2D()];
  for (const [id, path] of paths) (dim(id) ? faint : plain).addPath(path);
  context.globalAlpha = 0.9;
  context.stroke(plain);
  context.globalAlpha = 0.15;
  context.stroke(faint);
}

function outline(context: CanvasRenderingContext2D, { shape, x, y, cw, ch }: Box): void {
  if (shape === "circle") context.arc(x, y, cw / 2, 0, 2 * Math.PI);
  else if (shape === "wire") {
    context.moveTo(x - cw / 2, y);
    context.lineTo(x + cw / 2, y);
  } else context.rect(x - cw / 2, y - ch / 2, cw, ch);
}

function label(context: CanvasRenderingContext2D, box: Box, ink: string): void {
  const text = box.label || box.name;
  if (text === "") return;
  const group = box.shape === "group";
  context.fillStyle = ink;
  context.font = "12px system-ui, sans-serif";
  context.textAlign = group ? "left" : "center";
  if (group) context.fillText(text, box.x - box.w / 2 + 10, box.y - box.h / 2 + 15);
  else context.fillText(text, box.x, box.label === "" ? box.y - 8 : box.y + 4);
}
