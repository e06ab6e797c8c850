/** Files for the reader, made in the page. */
import type { Context } from "../context";
import { h, s } from "../dom";
import type { Payload, Picture } from "../payload";
import { pictureOf } from "../picture";
import { scopesOf } from "../scopes";
import { drawBox, drawWire } from "./box";
import { drawFrame } from "./frame";

const PADDING = 12;
/** What a picture needs to look the same where our style sheet is not. */
const FONT = ["font-family", "font-size", "font-weight", "font-style", "text-anchor"];
const LOOKS = ["fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "opacity", ...FONT];
const OURS = ["class", "role", "tabindex", "data-box", "data-wire", "aria-label", "aria-hidden"];

/** The whole picture as SVG that stands alone. */
export function savePicture(context: Context, root: ShadowRoot, picture: Picture): void {
  const { payload, state } = context;
  const scopes = scopesOf(pictureOf(payload, state.mode.value));
  const [width, height] = [picture.width + 2 * PADDING, picture.height + 2 * PADDING];
  const ground = s("rect", { class: "ground", x: -PADDING, y: -PADDING, width, height });
  const boxes = picture.boxes.map((box) => drawBox(box, scopes.group(box.id)?.facts));
  const frames = (picture.frames ?? []).map(drawFrame);
  const scene = s("g", { class: "scene" }, ...frames, ...picture.wires.map(drawWire), ...boxes);
  const view = { viewBox: `${-PADDING} ${-PADDING} ${width} ${height}`, width, height };
  const look = state.mode.value === "forward" ? "picture no-grad" : "picture";
  const svg = s("svg", { ...view, class: look }, ground, scene);
  const place = h("div", { class: "aside" }, svg);
  root.append(place);
  bake(svg);
  place.remove();
  save(fileName(payload, "svg"), "image/svg+xml", new XMLSerializer().serializeToString(svg));
}

export function saveData({ languages, ...payload }: Payload): void {
  const say = (payload.pictures.forward.tree ?? payload.pictures.backward.tree)?.say;
  const told = (_: string, value: unknown): unknown => (say && typeof value === "string" ? say(value) : value);
  save(fileName(payload, "json"), "application/json", JSON.stringify(payload, told));
}

/** Writes what the style sheet says into each element, and takes away what only our page understands. */
function bake(svg: SVGSVGElement): void {
  const elements = [...svg.querySelectorAll<SVGElement>("*")];
  // Looks hang on the classes of the elements around: all are read before the first class goes.
  const looks = elements.map(looksOf);
  elements.forEach((element, i) => {
    for (const [name, value] of looks[i] ?? []) element.setAttribute(name, value);
    if (looks[i] === null) element.remove();
    OURS.forEach((name) => element.removeAttribute(name));
  });
  svg.removeAttribute("class");
}

/** Not written: it is so without saying. */
const PLAIN = ["opacity:1", "fill-opacity:1", "stroke-opacity:1", "stroke:none", "stroke-dasharray:none", "font-weight:400", "font-style:normal"];

/** What an element looks like, as attributes; null where it cannot be seen. */
function looksOf(element: SVGElement): [string, string][] | null {
  const style = getComputedStyle(element);
  if (element.tagName === "title") return [];
  if (style.display === "none" || element.matches(".halo")) return null;
  const text = element.matches("text, tspan");
  // Within a bold text, not to be bold has to be said.
  const plain = element.tagName === "tspan" ? [] : PLAIN;
  const names = element.tagName === "g" ? ["opacity"] : LOOKS.filter((name) => text || !FONT.includes(name));
  const looks = names.map((name): [string, string] => [name, style.getPropertyValue(name)]);
  return looks.filter(([name, value]) => value !== "" && !plain.includes(`${name}:${value}`));
}

function fileName({ cell, run }: Payload, kind: string): string {
  const name = cell.replace(/[^\w.-]+/g, "_").replace(/^_+|_+$/g, "") || run.slice(0, 8);
  return `autograd_${name}.${kind}`;
}

function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = h("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
