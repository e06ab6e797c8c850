/** Smooth SVG paths through the routes. */
import { abs, floor } from "./arrays";

/** Of a piece: how far its control points lie from its ends; the same for all, or neighbours would cross. */
const BEND = 0.55;

/**
 * SVG path `M x y C ...` through a route, x and y of each point in turn: tangents along the direction at the ends and
 * at every bend. Numbers have one decimal. A route that turns back has the tangent across at its turning points.
 */
export function curve(points: readonly number[], direction: "LR" | "TB" = "LR"): string {
  const swapped = direction === "TB";
  const a = swapped ? 1 : 0;
  const pair = (along: number, across: number): string =>
    swapped ? `${decimal(across)} ${decimal(along)}` : `${decimal(along)} ${decimal(across)}`;
  const turns = (i: number): boolean =>
    i > 0 && i + 2 < points.length
    && (points[i + a]! - points[i - 2 + a]!) * (points[i + 2 + a]! - points[i + a]!) < 0;
  let path = `M${pair(points[a]!, points[1 - a]!)}`;
  for (let i = 2; i < points.length; i += 2) {
    const [x0, y0, x1, y1] = [points[i - 2 + a]!, points[i - 1 - a]!, points[i + a]!, points[i + 1 - a]!];
    const [run, rise] = [(x1 - x0) * BEND, (y1 - y0) * BEND];
    path += `C${turns(i - 2) ? pair(x0, y0 + rise) : pair(x0 + run, y0)} `
      + `${turns(i) ? pair(x1, y1 - rise) : pair(x1 - run, y1)} ${pair(x1, y1)}`;
  }
  return path;
}

/** One decimal at most; a tie goes to the even digit, as Python has it. */
function decimal(value: number): string {
  const size = abs(value);
  const text = size % 1 === 0.25 ? `${floor(size)}.2` : size.toFixed(1);
  const short = text.endsWith(".0") ? text.slice(0, -2) : text;
  return value < 0 && short !== "0" ? `-${short}` : short;
}
