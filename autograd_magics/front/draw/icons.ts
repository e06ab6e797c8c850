/** Small signs drawn as shapes: fonts differ, and a sign must not depend on them. */
import { s } from "../dom";
import type { Severity } from "../payload";

const LINES = {
  minus: "M3 8h10",
  plus: "M3 8h10M8 3v10",
  fit: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  unfold: "M3 2.5h10M3 13.5h10M8 4.5v7M6 6.2L8 4.2l2 2M6 9.8l2 2 2-2",
  fold: "M3 8h10M8 1.5v4M6 3.7l2 2 2-2M8 14.5v-4M6 12.3l2-2 2 2",
  skip: "M2.5 12.5a5.5 6 0 0 1 11 0M1.5 12.5h2M12.5 12.5h2M7 12.5h2",
  down: "M4 6l4 4 4-4",
  first: "M3.5 3v10M12.5 3.5L6.5 8l6 4.5z",
  back: "M11 3.5L5 8l6 4.5z",
  play: "M4.5 2.8L13 8l-8.5 5.2z",
  pause: "M5 3v10M11 3v10",
  ahead: "M5 3.5L11 8l-6 4.5z",
  last: "M12.5 3v10M3.5 3.5L9.5 8l-6 4.5z",
  save: "M8 2v8M4.5 7L8 10.5 11.5 7M3 13.5h10",
} as const;

export type Icon = keyof typeof LINES;

export function icon(name: Icon): SVGElement {
  const path = s("path", { d: LINES[name] });
  return s("svg", { class: "icon", viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" }, path);
}

/** Each severity has its own outline, so that colour is never the only difference. */
const SHAPES: Record<Severity, string> = {
  note: "M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 1 0 0-13z",
  warning: "M8 1.5L15.2 14.3H.8z",
  error: "M5.2 1.2h5.6l4 4v5.6l-4 4H5.2l-4-4V5.2z",
};
const SIGNS: Record<Severity, string> = {
  note: "M8 7v4.6M8 4.2v.9",
  warning: "M8 6v4.4M8 12v.9",
  error: "M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2",
};

export function severitySign(severity: Severity, size = 14): SVGElement {
  const box = { class: `sign ${severity}`, viewBox: "0 0 16 16", width: size, height: size, "aria-hidden": "true" };
  const plate = s("path", { class: "plate", d: SHAPES[severity] });
  return s("svg", box, plate, s("path", { class: "mark", d: SIGNS[severity] }));
}

const ORDER: Severity[] = ["error", "warning", "note"];

export function worst(severities: Severity[]): Severity {
  return ORDER.find((severity) => severities.includes(severity)) ?? "note";
}

export const HOOK = 14;

/** A hook, around 0 0: on a full plate where it changed a gradient, on a hollow one where it runs after `.grad`. */
export function hookSign(kind: "changed" | "late"): SVGElement {
  const shape = s("path", { class: "mark", d: "M1.8 -4.2v4.6a2.2 2.2 0 0 1 -4.4 0v-1.4" });
  return s("g", { class: `hook ${kind}`, "aria-hidden": "true" }, s("circle", { class: "plate", r: HOOK / 2 }), shape);
}
