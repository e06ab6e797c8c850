/** How large gradients are: the look of each box and wire by the RMS of what backward brought there. */
import { itemOf, type GradientSize, type Health, type Payload, type Wire } from "./payload";

/** Colours from small to large; see `.h0` in style.css. */
const COLOURS = 6;

/** `look`: a class, `h0` to `h5`, `hz` for nothing but zeros, `hx` for NaN and Inf. */
export interface Look {
  look: string;
  text: string;
}

export function healthOf({ health }: Payload): Health | null {
  return health && Object.keys(health.items).length > 0 ? health : null;
}

export function lookOf({ scale }: Health, size: GradientSize): Look {
  if (typeof size === "string") return { look: "hx", text: size === "nan" ? "⚠ NaN" : "⚠ Inf" };
  if (size === 0 || !scale) return { look: "hz", text: "∅ 0" };
  const band = Math.floor((Math.log10(size) - scale.low) / scale.step);
  return { look: colourOf(scale.bands, Math.min(Math.max(band, 0), scale.bands - 1)), text: shortNumber(size) };
}

export function colourOf(bands: number, band: number): string {
  return `h${bands > 1 ? Math.round((band * (COLOURS - 1)) / (bands - 1)) : COLOURS >> 1}`;
}

/** Two digits, `0.023`, `2.3e−5`: as few characters as tell the size. */
export function shortNumber(size: number): string {
  const plain = String(Number(size.toPrecision(2)));
  const text = size >= 1e-3 && size < 1e4 ? plain : size.toExponential(1).replace(".0e", "e").replace("e+", "e");
  return text.replace("-", "−");
}

/** What flowed back along a wire; where that is not told by itself, what arrived at its end nearer to the leaves. */
export function sizeOfWire({ items, wires }: Health, { from, to }: Wire, backward: boolean): GradientSize | undefined {
  const [start, end] = [itemOf(from), itemOf(to)];
  return wires[`${start}>${end}`] ?? items[backward ? end : start];
}
