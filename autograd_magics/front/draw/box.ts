/** One box of the picture, and one wire. */
import { s } from "../dom";
import type { Box, Wire } from "../payload";
import { behind, insideOf } from "./frame";
import { HOOK, hookSign, severitySign } from "./icons";

/** Distances of texts from the core or line that they belong to, in px, within the room that the layout keeps. */
const GAP = { above: 6, below: 14, line: 8, underLine: 17, name: 14 };
const BADGE = 15;
const ARROW = { length: 8.5, half: 3.9 };

/** `facts`: what stands in a folded group. */
export function drawBox(box: Box, facts: readonly string[] = []): SVGGElement {
  const classes = ["box", box.shape, `is-${box.style}`, box.ghost_of !== null && "ghost"];
  const group = s("g", {
    class: classes.filter(Boolean).join(" "),
    "data-box": box.id,
    role: "button",
    tabindex: -1,
    transform: `translate(${box.x} ${box.y})`,
  });
  const inside = box.shape === "group" ? insideOf(box, facts) : texts(box);
  const said = [...inside, ...badge(box), ...hooks(box)].flatMap((element) => [element, " "]);
  group.append(s("title", null, box.title), halo(box), ...behind(box), core(box), ...said);
  group.setAttribute("aria-label", nameOf(box, group));
  return group;
}

/** The title and the texts that can be seen, so that what is read out and what is seen are the same. */
function nameOf(box: Box, group: SVGGElement): string {
  const seen = [...group.querySelectorAll("text")].map((text) => text.textContent ?? "");
  return [box.title, seen.join(" ")].filter(Boolean).join(" · ");
}

/** Catches the pointer, and shows selection and keyboard focus. */
function halo(box: Box): SVGElement {
  const line = box.shape === "wire";
  const [w, h] = line ? [box.w - 6, box.h] : [box.cw + 10, box.ch + 10];
  const rx = line ? 6 : box.shape === "rect" || box.shape === "group" ? 9 : Math.min(w, h) / 2;
  return s("rect", { class: "halo", x: -w / 2, y: -h / 2, width: w, height: h, rx });
}

function core(box: Box): SVGElement {
  const [w, h] = [box.cw, box.ch];
  if (box.shape === "wire") return s("path", { class: "core", d: `M${-w / 2} 0H${w / 2}` });
  if (box.shape === "circle") return s("circle", { class: "core", r: Math.min(w, h) / 2 });
  if (box.shape === "tag") return s("path", { class: "core", d: tagPath(w, h) });
  const rx = box.shape === "pill" ? h / 2 : box.shape === "group" ? 8 : 6;
  return s("rect", { class: "core", x: -w / 2, y: -h / 2, width: w, height: h, rx });
}

/** A luggage tag, its point towards the right where its one wire leaves. */
function tagPath(w: number, h: number): string {
  const tip = Math.min(h / 2, 10);
  return `M${-w / 2} ${-h / 2}H${w / 2 - tip}L${w / 2} 0L${w / 2 - tip} ${h / 2}H${-w / 2}z`;
}

function texts(box: Box): SVGElement[] {
  const line = box.shape === "wire";
  const top = line ? -GAP.line : -box.ch / 2 - GAP.above;
  const bottom = line ? GAP.underLine : box.ch / 2 + GAP.below;
  const valueY = box.above_figures ? top - GAP.name : top;
  const nameY = box.above === "" ? valueY : valueY - GAP.name;
  return [
    !line && box.label + box.sub !== "" && labelText(box),
    box.name !== "" && s("text", { class: "name", y: nameY }, box.name, line && box.sub !== "" && sub(box)),
    box.above !== "" && s("text", { class: "value", y: valueY }, box.above),
    figures("figures", box.above_figures, top),
    box.below !== "" && s("text", { class: box.below_dim ? "grad dim" : "grad", y: bottom }, box.below),
    figures("figures grad", box.below_figures, bottom + GAP.name),
  ].filter((element): element is SVGTextElement => element !== false);
}

function figures(kind: string, told: string | undefined, y: number): SVGTextElement | false {
  return !!told && s("text", { class: told.startsWith("⚠") ? `${kind} alarm` : kind, y }, told);
}

function labelText(box: Box): SVGTextElement {
  const symbol = box.shape === "circle" && [...box.label].length === 1;
  const label = s("text", { class: symbol ? "label symbol" : "label", dy: symbol ? "0.34em" : "0.36em" }, box.label);
  if (box.sub !== "") label.append(sub(box));
  return label;
}

function sub(box: Box): SVGTSpanElement {
  return s("tspan", { class: "sub" }, `${box.label + box.name === "" ? "" : " "}${box.sub}`);
}

/** Signs at the upper right: scissors of a cut, a cross of what failed, the number of findings. */
function badge(box: Box): SVGElement[] {
  const signs: SVGElement[] = [];
  const [x, y] = box.shape === "wire" ? [box.w / 2 - BADGE, -box.h / 2] : corner(box);
  if (box.style === "cut" && !`${box.label}${box.below}`.includes("✂")) {
    signs.push(s("text", { class: "scissors", x: -x, y: y + 3 }, "✂"));
  }
  if (box.severity !== "") {
    const sign = severitySign(box.severity, BADGE);
    sign.setAttribute("x", String(x - BADGE / 2));
    sign.setAttribute("y", String(y - BADGE / 2));
    signs.push(sign);
    if (Number(box.badge) > 1) signs.push(s("text", { class: "count", x: x + BADGE / 2 + 6, y: y + 4 }, box.badge));
  }
  return signs;
}

/** A hook at the upper left, or at the beginning of a wire: full where it changed the gradient, hollow where it runs after `.grad` was written. */
function hooks(box: Box): SVGElement[] {
  if (!box.hook) return [];
  const [x, y] = box.shape === "wire" ? [(box.cw - HOOK) / 2, 0] : corner(box);
  const sign = hookSign(box.hook);
  sign.setAttribute("transform", `translate(${-x} ${y})`);
  return [sign];
}

function corner(box: Box): [number, number] {
  const inset = box.shape === "circle" ? 0.76 : 1;
  return [(box.cw / 2) * inset, (-box.ch / 2) * inset];
}

export function drawWire(wire: Wire): SVGGElement {
  const group = s("g", { class: `wire is-${wire.kind}`, "data-wire": wire.id }, s("path", { d: wire.d }));
  if (wire.arrow) group.append(s("polygon", { points: arrowHead(wire.d) }));
  return group;
}

/** The head at the end of a path, in the direction in which the path arrives there. */
export function arrowHead(d: string): string {
  const numbers = (d.match(/-?\d*\.?\d+(e-?\d+)?/gi) ?? []).map(Number);
  const [x0 = 0, y0 = 0, x = 0, y = 0] = numbers.slice(-4);
  const length = Math.hypot(x - x0, y - y0) || 1;
  const [ux, uy] = [(x - x0) / length, (y - y0) / length];
  const [bx, by] = [x - ux * ARROW.length, y - uy * ARROW.length];
  const point = (px: number, py: number): string => `${px.toFixed(2)},${py.toFixed(2)}`;
  const left = point(bx - uy * ARROW.half, by + ux * ARROW.half);
  return `${left} ${point(x, y)} ${point(bx + uy * ARROW.half, by - ux * ARROW.half)}`;
}
