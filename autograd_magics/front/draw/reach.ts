/** Thin bars at the edges of the graph: which part of the picture is on the screen, where it is not all of it. */
import { clamp, visible, type Size, type View } from "../viewport";

export function showReach(canvas: HTMLElement, view: View, picture: Size, screen: Size): void {
  const seen = visible(view, screen);
  const [left, right] = shares(seen.left, seen.right, picture.width);
  const [top, bottom] = shares(seen.top, seen.bottom, picture.height);
  canvas.classList.toggle("wider", right - left < 0.995);
  canvas.classList.toggle("higher", bottom - top < 0.995);
  for (const [name, share] of Object.entries({ left, right: 1 - right, top, bottom: 1 - bottom })) {
    canvas.style.setProperty(`--${name}`, share.toFixed(4));
  }
}

function shares(low: number, high: number, length: number): [number, number] {
  const whole = Math.max(length, 1);
  return [clamp(low / whole, 0, 1), clamp(high / whole, 0, 1)];
}
