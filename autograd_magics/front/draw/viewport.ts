/** Pan by dragging, zoom by pinching or by ctrl and the wheel.  A plain wheel goes on scrolling the notebook. */
import type { Signal } from "../signals";
import { prefersStillness } from "../theme";
import { between, clamp, panBy, zoomAt, type View } from "../viewport";

/** A press that moves less than this is a click, in px. */
const STILL = 4;
const DURATION = 180;

interface Point {
  x: number;
  y: number;
}

export interface Movable {
  element: SVGSVGElement;
  view: () => View;
  move: (to: View) => void;
  stop: AbortSignal;
}

/** Returns whether the press that just ended was a drag, so that its click can be ignored. */
export function followPointer(target: Movable): () => boolean {
  const pointers = new Map<number, Point>();
  let start: Point = { x: 0, y: 0 };
  let dragged = false;
  const { element, stop } = target;
  const down = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    if (pointers.size === 0) dragged = false;
    pointers.set(event.pointerId, pointOf(element, event));
    start = pointOf(element, event);
  };
  const move = (event: PointerEvent): void => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = pointOf(element, event);
    if (!dragged && pointers.size === 1 && Math.hypot(now.x - start.x, now.y - start.y) < STILL) return;
    if (!dragged) element.setPointerCapture(event.pointerId);
    dragged = true;
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    target.move(other ? pinched(target.view(), before, now, other) : dragBy(target.view(), before, now));
    pointers.set(event.pointerId, now);
  };
  const up = (event: PointerEvent): void => void pointers.delete(event.pointerId);
  element.addEventListener("pointerdown", down, { signal: stop });
  element.addEventListener("pointermove", move, { signal: stop });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"] as const) {
    element.addEventListener(name, up, { signal: stop });
  }
  element.addEventListener("wheel", (event) => onWheel(target, event), { signal: stop, passive: false });
  return () => dragged;
}

function dragBy(view: View, before: Point, now: Point): View {
  return panBy(view, now.x - before.x, now.y - before.y);
}

/** One finger moved, the other stayed: zoom by the change of their distance, about the one that stayed. */
export function pinched(view: View, before: Point, now: Point, other: Point): View {
  const apart = Math.max(Math.hypot(before.x - other.x, before.y - other.y), 1);
  const zoomed = zoomAt(view, Math.hypot(now.x - other.x, now.y - other.y) / apart, other.x, other.y);
  return panBy(zoomed, (now.x - before.x) / 2, (now.y - before.y) / 2);
}

function onWheel(target: Movable, event: WheelEvent): void {
  const scale = event.deltaMode === 1 ? 16 : 1;
  if (event.ctrlKey || event.metaKey) {
    const at = pointOf(target.element, event);
    target.move(zoomAt(target.view(), Math.exp(-event.deltaY * scale * 0.004), at.x, at.y));
  } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    target.move(panBy(target.view(), -event.deltaX * scale, 0));
  } else return;
  event.preventDefault();
}

function pointOf(element: SVGSVGElement, event: MouseEvent): Point {
  const frame = element.getBoundingClientRect();
  return { x: event.clientX - frame.left, y: event.clientY - frame.top };
}

/** Moves there in a short glide, or at once for those who prefer that. */
export function glide(view: Signal<View>, to: View): void {
  const from = view.value;
  if (prefersStillness() || document.hidden || typeof requestAnimationFrame !== "function") {
    view.value = to;
    return;
  }
  const begin = performance.now();
  let last = from;
  const frame = (now: number): void => {
    if (view.value !== last) return;
    const share = clamp((now - begin) / DURATION, 0, 1);
    last = share < 1 ? between(from, to, 1 - (1 - share) ** 3) : to;
    view.value = last;
    if (share < 1) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}
