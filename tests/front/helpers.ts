/** Payloads for the tests: those of the fixtures with the project's own words, and large ones made here. */
import english from "../../autograd_magics/texts/en.json";
import type { Context } from "../../autograd_magics/front/context";
import { relations } from "../../autograd_magics/front/links";
import type { Box, Payload, Picture, Wire } from "../../autograd_magics/front/payload";
import { effect } from "../../autograd_magics/front/signals";
import { newState } from "../../autograd_magics/front/state";
import { translator } from "../../autograd_magics/front/text";
import failed from "./fixtures/failed.json";
import linreg from "./fixtures/linreg.json";
import loop from "./fixtures/loop.json";

// jsdom has no canvas, and says so at every call.
HTMLCanvasElement.prototype.getContext = () => null;

const words = Object.fromEntries(Object.entries(english).filter(([key]) => key.startsWith("ui.")));

/** A payload without words, as the files have it, with those of the project. */
export function withWords(fixture: unknown): Payload {
  return { ...(structuredClone(fixture) as Payload), text: words };
}

export const fixtures: Record<string, () => Payload> = {
  linreg: () => withWords(linreg),
  loop: () => withWords(loop),
  failed: () => withWords(failed),
};

export function payloadOf(name: keyof typeof fixtures): Payload {
  const make = fixtures[name];
  if (!make) throw new Error(`no fixture ${name}`);
  return make();
}

export function contextOf(payload: Payload): Context {
  const stop = new AbortController();
  return {
    payload,
    state: newState(payload),
    t: translator(payload.text),
    related: relations(payload),
    effect: (work) => void effect(work),
    stop: stop.signal,
  };
}

export function boxAt(id: string, x: number, y: number, more: Partial<Box> = {}): Box {
  const size = { w: 40, h: 40, cw: 36, ch: 36 };
  const texts = { label: id, sub: "", name: "", above: "", below: "", below_dim: false, title: `title of ${id}` };
  const rest = { ghost_of: null, badge: "", severity: "" } as const;
  return { id, shape: "circle", style: "call", x, y, ...size, ...texts, ...rest, ...more };
}

export function wireOf(from: Box, to: Box): Wire {
  const [start, end] = [`${from.x} ${from.y}`, `${to.x} ${to.y}`];
  const d = `M${start}C${start} ${end} ${end}`;
  return { id: `${from.id}-${to.id}`, from: from.id, to: to.id, d, arrow: true, kind: "data" };
}

export function pictureOf(boxes: Box[], pairs: [string, string][] = []): Picture {
  const box = (id: string): Box => {
    const found = boxes.find((one) => one.id === id);
    if (!found) throw new Error(`no box ${id}`);
    return found;
  };
  const width = Math.max(0, ...boxes.map((one) => one.x + one.w));
  const height = Math.max(0, ...boxes.map((one) => one.y + one.h));
  return { width, height, boxes, wires: pairs.map(([from, to]) => wireOf(box(from), box(to))), left_out: 0 };
}

/** A chain of calls with `n` boxes, saved tensors and changes of `.grad`. */
export function largePayload(n: number): Payload {
  const payload = payloadOf("linreg");
  const boxes = Array.from({ length: n }, (_, i) => boxAt(`c${i}`, 30 + 60 * i, 100));
  const pairs = boxes.slice(1).map((box, i): [string, string] => [`c${i}`, box.id]);
  const change = payload.gradients[0]?.rows[0];
  const saved = payload.saved.rows[0];
  if (!change || !saved) throw new Error("the fixture has no rows");
  payload.pictures = { forward: pictureOf(boxes, pairs), backward: pictureOf([]) };
  payload.gradients = [{ id: "t0", name: "w", shape: "[]", now: "1", rows: boxes.map(() => change) }];
  payload.saved.rows = boxes.map((_, i) => ({ ...saved, id: `s${i}` }));
  return payload;
}
