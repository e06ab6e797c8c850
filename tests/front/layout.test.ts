import { expect, test } from "vitest";
import golden from "../golden/layout.json";
import { layout, type Options, type Size } from "../../autograd_magics/front/layout";

const NEAR = 0.1;

interface Case {
  name: string;
  sizes: number[];
  edges: number[];
  direction: string;
  gaps: number[];
  cores: unknown[][] | null;
  width: number;
  height: number;
  x: number[];
  y: number[];
  routes: number[][];
  crossings: number;
  ranks: number[];
}

function pairs(flat: readonly number[]): [number, number][] {
  return flat.flatMap((value, i) => (i % 2 ? [] : [[value, flat[i + 1]!] as [number, number]]));
}

function furthest(ours: ArrayLike<number>, theirs: readonly number[]): number {
  expect(ours.length).toBe(theirs.length);
  return theirs.reduce((most, value, i) => Math.max(most, Math.abs(value - ours[i]!)), 0);
}

test.each(golden as unknown as Case[])("$name is laid out as in Python", (one) => {
  const [nodeGap, rankGap, edgeGap] = one.gaps as [number, number, number];
  const options = { direction: one.direction, nodeGap, rankGap, edgeGap, ...(one.cores && { cores: one.cores }) };
  const placed = layout(pairs(one.sizes) as Size[], pairs(one.edges), options as unknown as Options);
  expect([...placed.ranks]).toEqual(one.ranks);
  expect(placed.crossings).toBe(one.crossings);
  expect(furthest([placed.width, placed.height], [one.width, one.height])).toBeLessThan(NEAR);
  expect(furthest(placed.x, one.x)).toBeLessThan(NEAR);
  expect(furthest(placed.y, one.y)).toBeLessThan(NEAR);
  expect(placed.routes.length).toBe(one.routes.length);
  one.routes.forEach((route, i) => expect(furthest(placed.routes[i]!, route), `edge ${i}`).toBeLessThan(NEAR));
});
