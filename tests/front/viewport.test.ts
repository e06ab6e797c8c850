import { describe, expect, test } from "vitest";
import type { Box } from "../../autograd_magics/front/payload";
import { topOf } from "../../autograd_magics/front/picture";
import * as viewport from "../../autograd_magics/front/viewport";
import { pinched } from "../../autograd_magics/front/draw/viewport";

const screen = { width: 600, height: 400 };

describe("zoom", () => {
  test("keeps the point under the pointer where it is", () => {
    const before = { x: 20, y: -30, k: 0.8 };
    const after = viewport.zoomAt(before, 1.7, 150, 90);
    const inPicture = (view: viewport.View): [number, number] => [(150 - view.x) / view.k, (90 - view.y) / view.k];
    expect(after.k).toBeCloseTo(1.36);
    inPicture(after).forEach((value, i) => expect(value).toBeCloseTo(inPicture(before)[i] ?? NaN));
  });

  test("ends at its limits", () => {
    const view = { x: 0, y: 0, k: 1 };
    expect(viewport.zoomAt(view, 1e6, 0, 0).k).toBe(viewport.LARGEST);
    expect(viewport.zoomAt(view, 1e-6, 0, 0).k).toBe(viewport.SMALLEST);
  });

  test("two fingers moving apart enlarge, and what is between them stays there", () => {
    const view = { x: 0, y: 0, k: 1 };
    const after = pinched(view, { x: 100, y: 0 }, { x: 200, y: 0 }, { x: 0, y: 0 });
    expect(after.k).toBeCloseTo(2);
    expect(after.x).toBeCloseTo(50);
  });
});

describe("opening a picture", () => {
  test("shows all of one that fits, in the middle and hardly enlarged", () => {
    const view = viewport.opening({ width: 100, height: 50 }, screen, 25);
    expect(view.k).toBeLessThanOrEqual(1.2);
    expect(view.x * 2 + 100 * view.k).toBeCloseTo(screen.width);
    expect(view.y * 2 + 50 * view.k).toBeCloseTo(screen.height);
  });

  test("shows the beginning of a long one at a readable scale", () => {
    const view = viewport.opening({ width: 9000, height: 200 }, screen, 100);
    expect(view.k).toBe(viewport.READABLE);
    expect(view.x).toBeGreaterThan(0);
    expect(view.x).toBeLessThan(30);
  });

  test("shows a high one from its upper left on, where something is", () => {
    const view = viewport.opening({ width: 9000, height: 3000 }, screen, 1500);
    expect(1500 * view.k + view.y).toBeGreaterThan(0);
    expect(1500 * view.k + view.y).toBeLessThan(30);
    const top = viewport.opening({ width: 9000, height: 3000 }, screen, 0);
    expect(top.y).toBeGreaterThan(0);
  });

  test("what lies far to the right does not count for where it begins", () => {
    const box = { id: "t0", shape: "rect", style: "leaf", w: 40, h: 20, cw: 40, ch: 20, label: "", sub: "" } as Box;
    const boxes = [{ ...box, x: 30, y: 700 }, { ...box, x: 900, y: 10 }];
    const picture = { width: 1000, height: 800, boxes, wires: [], left_out: 0 };
    expect([topOf(picture, 600), topOf(picture, 1000)]).toEqual([690, 0]);
    const frame = { id: "g0", label: "", sub: "", x: 0, y: 14, w: 1000, h: 780, depth: 0, head: 22 };
    expect(topOf({ ...picture, frames: [frame] }, 600)).toBe(14);
  });

  test("the height wanted follows the picture between its limits", () => {
    expect(viewport.wantedHeight({ width: 600, height: 10 }, 600, 180, 460)).toBe(180);
    expect(viewport.wantedHeight({ width: 600, height: 9000 }, 600, 180, 460)).toBe(460);
    const middle = viewport.wantedHeight({ width: 572, height: 250 }, 600, 180, 460);
    expect(middle).toBe(278);
  });
});

describe("moving", () => {
  const picture = { width: 1000, height: 300 };

  test("fit shows the whole picture", () => {
    const view = viewport.fit(picture, screen);
    const seen = viewport.visible(view, screen);
    expect(seen.left).toBeLessThanOrEqual(0);
    expect(seen.right).toBeGreaterThanOrEqual(1000);
    expect(seen.bottom).toBeGreaterThanOrEqual(300);
  });

  test("a part of the picture always stays in reach", () => {
    for (const [x, y] of [[1e5, 1e5], [-1e5, -1e5]] as const) {
      const seen = viewport.visible(viewport.keepInReach({ x, y, k: 1 }, picture, screen), screen);
      expect(viewport.overlaps(seen, { left: 0, top: 0, right: 1000, bottom: 300 })).toBe(true);
    }
    const inside = { x: 10, y: 10, k: 1 };
    expect(viewport.keepInReach(inside, picture, screen)).toBe(inside);
  });

  test("revealing does nothing for what is seen, and brings the rest in", () => {
    const view = { x: 0, y: 0, k: 1 };
    expect(viewport.reveal(view, { left: 100, top: 100, right: 140, bottom: 140 }, screen)).toBe(view);
    const far = { left: 900, top: 100, right: 940, bottom: 140 };
    const after = viewport.reveal(view, far, screen);
    expect(after.k).toBe(1);
    expect(after.y).toBe(0);
    expect(viewport.visible(after, screen).right).toBeGreaterThan(940);
  });

  test("revealing from afar comes near enough to read", () => {
    const target = { left: 900, top: 100, right: 940, bottom: 140 };
    expect(viewport.reveal({ x: 0, y: 0, k: 0.1 }, target, screen).k).toBe(viewport.READABLE);
  });

  test("a glide begins and ends where it should", () => {
    const [from, to] = [{ x: 0, y: 0, k: 1 }, { x: 10, y: 20, k: 2 }];
    expect(viewport.between(from, to, 0)).toEqual(from);
    expect(viewport.between(from, to, 1)).toEqual(to);
  });
});
