import { expect, test } from "vitest";
import golden from "../golden/tree.json";
import { layoutTree } from "../../autograd_magics/front/layout/scoped";
import type { Frame, Tree } from "../../autograd_magics/front/payload";

const NEAR = 0.1;

interface Case {
  open: number[];
  width: number;
  height: number;
  boxes: [string, number, number][];
  frames: Frame[];
  wires: [string, string, string, string][];
}

const given = golden as unknown as { tree: Tree; cases: Case[] }[];
const cases = given.flatMap(({ tree, cases }) => cases.map((one) => ({ tree, one, size: tree.boxes.length })));

function near(ours: ArrayLike<number>, theirs: readonly number[], what: string): void {
  expect(ours.length, what).toBe(theirs.length);
  theirs.forEach((value, i) => {
    expect(Math.abs(ours[i]! - value), `${what}: ${ours[i]}, not ${value}`).toBeLessThan(NEAR);
  });
}

function numbers(path: string): number[] {
  return path.match(/-?[\d.]+/g)!.map(Number);
}

test.each(cases)("$size boxes with $one.open open are placed as in Python", ({ tree, one }) => {
  const placed = layoutTree(tree, new Set(one.open.map((group) => tree.groups[group]!.id)));
  near([placed.width, placed.height], [one.width, one.height], "size");
  expect(placed.boxes.map((box) => box.id)).toEqual(one.boxes.map(([id]) => id));
  placed.boxes.forEach((box, i) => near([box.x, box.y], one.boxes[i]!.slice(1) as number[], box.id));
  expect(placed.frames.map(({ id, label, sub, depth, head }) => [id, label, sub, depth, head]))
    .toEqual(one.frames.map(({ id, label, sub, depth, head }) => [id, label, sub, depth, head]));
  placed.frames.forEach(({ x, y, w, h }, i) => {
    const frame = one.frames[i]!;
    near([x, y, w, h], [frame.x, frame.y, frame.w, frame.h], frame.id);
  });
  expect(placed.wires.map(({ from, to, kind }) => [from, to, kind])).toEqual(one.wires.map((wire) => wire.slice(0, 3)));
  placed.wires.forEach((wire, i) => near(numbers(wire.d), numbers(one.wires[i]![3]), wire.d));
});
