/** Pan and zoom as a plain value: a point p of the picture stands at `p * k + (x, y)` on the screen. */

export interface View {
  readonly x: number;
  readonly y: number;
  readonly k: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Rect {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export const SMALLEST = 0.01;
export const LARGEST = 4;
/** Texts are read without effort from this scale on, and with some down to the other: no picture is opened smaller. */
export const READABLE = 0.8;
const BARELY = 0.64;
const ENLARGED = 1.15;
const PADDING = 14;
const EDGE = 4;
/** So much of the picture always stays on the screen. */
const KEPT = 48;

export function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}

/** Zooms so that what is under the point (px, py) of the screen stays there. */
export function zoomAt(view: View, factor: number, px: number, py: number): View {
  const k = clamp(view.k * factor, SMALLEST, LARGEST);
  const ratio = k / view.k;
  return { k, x: px - (px - view.x) * ratio, y: py - (py - view.y) * ratio };
}

export function panBy(view: View, dx: number, dy: number): View {
  return { k: view.k, x: view.x + dx, y: view.y + dy };
}

/** The scale at which the whole picture can be seen. */
export function wholeScale(picture: Size, screen: Size): number {
  const across = (screen.width - 2 * PADDING) / Math.max(picture.width, 1);
  const down = (screen.height - 2 * PADDING) / Math.max(picture.height, 1);
  return clamp(Math.min(across, down), SMALLEST, ENLARGED);
}

/** The whole picture, in the middle. */
export function fit(picture: Size, screen: Size): View {
  const k = wholeScale(picture, screen);
  return { k, x: (screen.width - picture.width * k) / 2, y: (screen.height - picture.height * k) / 2 };
}

/** The whole picture where it can be read; otherwise its beginning, from the height `top` of it on. */
export function opening(picture: Size, screen: Size, top: number): View {
  const whole = fit(picture, screen);
  if (whole.k >= BARELY) return whole;
  const k = READABLE;
  const width = picture.width * k;
  const height = picture.height * k;
  const x = width + 2 * PADDING <= screen.width ? (screen.width - width) / 2 : PADDING;
  const room = height + 2 * PADDING <= screen.height;
  const low = screen.height - height - PADDING;
  const y = room ? (screen.height - height) / 2 : clamp(PADDING - top * k, low, PADDING);
  return { k, x, y };
}

/** Height that a picture wants on a screen of this width, within limits. */
export function wantedHeight(picture: Size, width: number, low: number, high: number): number {
  const whole = Math.min((width - 2 * PADDING) / Math.max(picture.width, 1), ENLARGED);
  const k = whole < BARELY ? READABLE : whole;
  return clamp(Math.round(picture.height * k) + 2 * PADDING, low, high);
}

/** The nearest view that keeps a part of the picture on the screen. */
export function keepInReach(view: View, picture: Size, screen: Size): View {
  const x = clamp(view.x, KEPT - picture.width * view.k, screen.width - KEPT);
  const y = clamp(view.y, KEPT - picture.height * view.k, screen.height - KEPT);
  return x === view.x && y === view.y ? view : { k: view.k, x, y };
}

/** The part of the picture that is on the screen. */
export function visible(view: View, screen: Size): Rect {
  return {
    left: -view.x / view.k,
    top: -view.y / view.k,
    right: (screen.width - view.x) / view.k,
    bottom: (screen.height - view.y) / view.k,
  };
}

export function overlaps(a: Rect, b: Rect): boolean {
  return a.left <= b.right && b.left <= a.right && a.top <= b.bottom && b.top <= a.bottom;
}

/** The nearest view that shows this part of the picture, at a scale at which it can be read. */
export function reveal(view: View, target: Rect, screen: Size): View {
  const near = view.k < READABLE / 2 ? centred(target, READABLE, screen) : view;
  const dx = shift(target.left * near.k + near.x, target.right * near.k + near.x, screen.width);
  const dy = shift(target.top * near.k + near.y, target.bottom * near.k + near.y, screen.height);
  return dx === 0 && dy === 0 ? near : panBy(near, dx, dy);
}

function centred(target: Rect, k: number, screen: Size): View {
  const x = screen.width / 2 - ((target.left + target.right) / 2) * k;
  const y = screen.height / 2 - ((target.top + target.bottom) / 2) * k;
  return { k, x, y };
}

/** How far to move the span low..high to have it inside 0..length: into the middle, once it has to move at all. */
function shift(low: number, high: number, length: number): number {
  const inside = low >= EDGE && high <= length - EDGE;
  return inside ? 0 : length / 2 - (low + high) / 2;
}

/** The view on the way from one to the other, 0 <= share <= 1. */
export function between(from: View, to: View, share: number): View {
  const at = (a: number, b: number): number => a + (b - a) * share;
  return { x: at(from.x, to.x), y: at(from.y, to.y), k: at(from.k, to.k) };
}
