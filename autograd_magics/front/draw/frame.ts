/** Groups: folded ones as boxes with what is in them in short, open ones as frames with a header. */
import { s } from "../dom";
import type { Box, Frame, Group } from "../payload";
import { FOLDED } from "../picture";

/** The sign that folds and unfolds, from the upper left corner: it stays under the pointer when it was clicked. */
const SIGN = { x: 11, r: 5.5 };
const TEXT = { x: 20, drop: 4.3, fact: 10, first: 35, line: 14 };
/** How far the outlines behind a folded run lie beyond it. */
const BEHIND = [6, 3];

/** What stands in a folded group, around its middle. */
export function insideOf(box: Box, facts: readonly string[]): SVGElement[] {
  const lines = facts.map((fact, i) => s("text", { class: "fact", x: TEXT.fact, y: TEXT.first + i * TEXT.line }, fact));
  const corner = { transform: `translate(${-box.w / 2} ${-box.h / 2})` };
  return [s("g", corner, sign(false, FOLDED), ...heading(box, FOLDED), ...lines)];
}

/** More of the same behind a run. */
export function behind({ stacked, w, h }: Box): SVGElement[] {
  const far = stacked ? BEHIND : [];
  return far.map((by) => s("rect", { class: "core", x: by - w / 2, y: -by - h / 2, width: w, height: h, rx: 8 }));
}

export function drawFrame(frame: Frame): SVGGElement {
  const { id, x, y, w, h, head } = frame;
  const look = { class: "box group open is-scope", role: "button", tabindex: -1 };
  return s(
    "g",
    { ...look, "data-box": id, transform: `translate(${x} ${y})` },
    s("title", null, [frame.label, frame.sub].filter(Boolean).join(" · ")),
    s("rect", { class: "frame", width: w, height: h, rx: 10 }),
    s("rect", { class: "halo", x: 2, y: 2, width: Math.max(w - 4, 0), height: head - 3, rx: 5 }),
    sign(true, head),
    ...heading(frame, head),
  );
}

function heading({ label, sub }: { label: string; sub: string }, height: number): SVGElement[] {
  const words = s("text", { class: "label", x: TEXT.x, y: height / 2 + TEXT.drop }, label);
  if (sub !== "") words.append(s("tspan", { class: "sub" }, ` ${sub}`));
  return [words];
}

function sign(open: boolean, height: number): SVGElement {
  const { x, r } = SIGN;
  const y = height / 2;
  const plate = s("rect", { class: "plate", x: x - r, y: y - r, width: 2 * r, height: 2 * r, rx: 2.5 });
  const d = `M${x - 3} ${y}h6${open ? "" : `M${x} ${y - 3}v6`}`;
  // Larger than it looks, to be hit without aiming.
  const reach = s("rect", { class: "reach", x: 0, y: 0, width: 2 * x, height });
  return s("g", { class: "fold", "aria-hidden": "true" }, reach, plate, s("path", { class: "mark", d }));
}

/** What a group is called where it cannot be seen. */
export function nameGroup(element: Element, { label, sub, facts, title: full }: Group, open: boolean): void {
  element.setAttribute("aria-label", [label, sub, ...facts].filter(Boolean).join(", "));
  element.setAttribute("aria-expanded", String(open));
  const title = element.querySelector("title");
  if (title && full !== "") title.textContent = full;
}
