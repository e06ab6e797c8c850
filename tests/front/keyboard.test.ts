import { expect, test } from "vitest";
import { neighbour, step, type Arrow } from "../../autograd_magics/front/keyboard";
import { firstBox, indexPicture } from "../../autograd_magics/front/picture";
import { boxAt, fixtures, payloadOf, pictureOf } from "./helpers";

const linreg = indexPicture(payloadOf("linreg").pictures.forward);

function walk(from: string, ...keys: Arrow[]): string | undefined {
  let at: string | undefined = from;
  for (const key of keys) at = at === undefined ? undefined : neighbour(linreg, at, key)?.id;
  return at;
}

test("right follows the wires to the result, left comes back along the straightest", () => {
  const right = Array<Arrow>(8).fill("ArrowRight");
  expect(walk("t0", ...right)).toBe("t6");
  expect(walk("t6", "ArrowRight")).toBeUndefined();
  expect(walk("t6", ...Array<Arrow>(4).fill("ArrowLeft"))).toBe("t4");
  expect(walk("c1", "ArrowLeft")).toBe("t3");
});

test("up and down go to the neighbours in the column, else to the nearest", () => {
  expect(walk("t0", "ArrowDown")).toBe("t1");
  expect(walk("t1", "ArrowUp")).toBe("t0");
  expect(walk("t3", "ArrowDown")).toBe("t2");
  expect(walk("t2", "ArrowUp")).toBe("t3");
  expect(walk("t0", "ArrowUp")).toBeUndefined();
});

test("wires drawn from right to left are followed by where they are, not by what they mean", () => {
  const index = indexPicture(pictureOf([boxAt("a", 100, 50), boxAt("b", 20, 50)], [["a", "b"]]));
  expect(neighbour(index, "a", "ArrowLeft")?.id).toBe("b");
  expect(neighbour(index, "b", "ArrowRight")?.id).toBe("a");
});

test.each(Object.keys(fixtures))("every box of %s can be reached by arrow keys", (name) => {
  const { pictures } = payloadOf(name);
  for (const picture of [pictures.forward, pictures.backward]) {
    const index = indexPicture(picture);
    const first = firstBox(picture);
    const reached = new Set(first ? [first.id] : []);
    for (const id of reached) {
      for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"] as const) {
        const next = neighbour(index, id, key);
        if (next) reached.add(next.id);
      }
    }
    expect(reached.size).toBe(picture.boxes.length);
  }
});

test("a row of entries goes round", () => {
  expect(step(4, 5, "ArrowRight")).toBe(0);
  expect(step(0, 5, "ArrowLeft")).toBe(4);
  expect(step(2, 5, "Home")).toBe(0);
  expect(step(2, 5, "End")).toBe(4);
  expect(step(2, 5, "a")).toBe(-1);
  expect(step(0, 0, "Home")).toBe(-1);
});
