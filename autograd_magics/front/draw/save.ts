/** Files for the reader, made in the page. */
import type { Context } from "../context";
import { h, s } from "../dom";
import type { Payload } from "../payload";
import { pictureOf } from "../picture";
import { drawBox, drawWire } from "./box";

const PADDING = 12;
/** What a picture needs to look the same where our style sheet is not. */
const FONT = ["font-family", "font-size", "font-weight", "font-style", "text-anchor"];
const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", ...FONT];
const OURS = ["class", "role", "tabindex", "data-box", "data-wire", "aria-label", "aria-hidden"];

/** The whole picture of the current mode as SVG that stands alone. */
export function savePicture(context: Context, root: ShadowRoot): void {
  const { payload, state } = context;
  const picture = pictureOf(payload, state.mode.value);
  const [width, height] = [picture.width + 2 * PADDING, picture.height + 2 * PADDING];
  const ground = s("rect", { class: "ground", x: -PADDING, y: -PADDING, width, height });
  const scene = s("g", { class: "scene" }, ...picture.wires.map(drawWire), ...picture.boxes.map(drawBox));
  const view = { viewBox: `${-PADDING} ${-PADDING} ${width} ${height}`, width, height };
  const svg = s("svg", { ...view, class: state.mode.value === "forward" ? "picture no-grad" : "picture" }, ground, scene);
  const place = h("div", { class: "aside" }, svg);
  root.append(place);
  bake(svg);
  place.remove();
  save(fileName(payload, "svg"), "image/svg+xml", new XMLSerializer().serializeToString(svg));
}

export function saveData(payload: Payload): void {
  save(fileName(payload, "json"), "application/json", JSON.stringify(payload));
}

/** Writes what the style sheet says into each element, and takes away what only our page understands. */
function bake(svg: SVGSVGElement): void {
  for (const element of [...svg.querySelectorAll<SVGElement>("*")]) {
    const style = getComputedStyle(element);
    if (style.display === "none" || element.matches(".halo")) {
      element.remove();
      continue;
    }
    const looks = element.tagName === "g" ? ["opacity"] : LOOKS;
    if (element.tagName !== "title") for (const name of looks) setLook(element, name, style.getPropertyValue(name));
    OURS.forEach((name) => element.removeAttribute(name));
  }
  svg.removeAttribute("class");
}

/** Not written: it is so without saying. */
const PLAIN = ["opacity:1", "stroke:none", "stroke-dasharray:none", "font-weight:400", "font-style:normal", "text-anchor:start"];

function setLook(element: SVGElement, name: string, value: string): void {
  const used = element.matches("text, tspan") || !FONT.includes(name);
  if (used && value !== "" && !PLAIN.includes(`${name}:${value}`)) element.setAttribute(name, value);
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
