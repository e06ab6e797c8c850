/** The whole picture in a corner of the graph, where much of it is out of sight, and what of it is seen. */
import { h } from "../dom";
import type { Index } from "../picture";
import { clamp, visible, type Size, type View } from "../viewport";
import { COLOURS, palette } from "./overview";

/** Largest and smallest sides, in px.  A picture that is much longer than high is not drawn to scale. */
const [WIDTH, HIGH, LOW] = [150, 96, 26];
/** From so much more picture than screen on, and from so many boxes on, there is something to find one's way in. */
const MORE = 1.6;
const BOXES = 24;

export interface Minimap {
  element: HTMLElement;
  show(index: Index, view: View, screen: Size): void;
  /** Colours or the picture changed. */
  forget(): void;
}

/** `move` is called with the middle of the picture's part that is to be seen. */
export function drawMinimap(move: (x: number, y: number) => void, stop: AbortSignal): Minimap {
  const canvas = h("canvas", null);
  const window = h("div", { class: "window" });
  const element = h("div", { class: "minimap", "aria-hidden": "true", hidden: true }, canvas, window);
  let drawn: Index | null = null;
  let last: Index | null = null;
  const drag = (event: PointerEvent): void => {
    if (event.buttons === 0 || !last) return;
    const place = canvas.getBoundingClientRect();
    const { width, height } = last.picture;
    move(((event.clientX - place.left) / place.width) * width, ((event.clientY - place.top) / place.height) * height);
    event.preventDefault();
  };
  const grab = (event: PointerEvent): void => {
    element.setPointerCapture?.(event.pointerId);
    drag(event);
  };
  element.addEventListener("pointerdown", grab, { signal: stop });
  element.addEventListener("pointermove", drag, { signal: stop });
  const show = (index: Index, view: View, screen: Size): void => {
    last = index;
    const { width, height, boxes } = index.picture;
    const much = Math.max((width * view.k) / screen.width, (height * view.k) / screen.height) > MORE;
    element.hidden = !much || boxes.length + index.frames.size < BOXES;
    if (element.hidden) return;
    const across = Math.min(WIDTH, Math.max((HIGH * width) / height, LOW));
    const size = { width: across, height: clamp((across * height) / width, LOW, HIGH) };
    if (drawn !== index) {
      // Before it is in the page it has no colours.
      drawn = canvas.isConnected ? index : null;
      draw(canvas, index, size);
    }
    const { left, top, right, bottom } = visible(view, screen);
    const [sx, sy] = [size.width / width, size.height / height];
    const edges = [clamp(top, 0, height) * sy, clamp(left, 0, width) * sx] as const;
    Object.assign(window.style, {
      top: `${edges[0]}px`,
      left: `${edges[1]}px`,
      height: `${Math.max(clamp(bottom, 0, height) * sy - edges[0], 3)}px`,
      width: `${Math.max(clamp(right, 0, width) * sx - edges[1], 3)}px`,
    });
  };
  return { element, show, forget: () => void (drawn = null) };
}

function draw(canvas: HTMLCanvasElement, index: Index, size: Size): void {
  const density = globalThis.devicePixelRatio || 1;
  Object.assign(canvas, { width: size.width * density, height: size.height * density });
  Object.assign(canvas.style, { width: `${size.width}px`, height: `${size.height}px` });
  const context = canvas.getContext("2d");
  if (!context) return;
  const { width, height } = index.picture;
  const [sx, sy] = [(size.width * density) / width, (size.height * density) / height];
  context.setTransform(sx, 0, 0, sy, 0, 0);
  const colour = palette(canvas);
  const fill = (x: number, y: number, w: number, h: number, name: string, alpha: number): void => {
    context.fillStyle = colour(name);
    context.globalAlpha = alpha;
    context.fillRect(x, y, w, h);
  };
  for (const { x, y, w, h } of index.frames.values()) fill(x, y, w, h, "--dim", 0.14);
  for (const { x, y, cw, ch, style } of index.picture.boxes) {
    fill(x - cw / 2, y - ch / 2, cw, ch, COLOURS[style] ?? "--fwd", 0.75);
  }
}
