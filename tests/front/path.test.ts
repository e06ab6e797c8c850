import { expect, test } from "vitest";
import { nextWay, pathOf } from "../../autograd_magics/front/path";
import { indexPicture } from "../../autograd_magics/front/picture";
import { scopesOf } from "../../autograd_magics/front/scopes";
import { boxAt, payloadOf, pictureOf } from "./helpers";
import { pictureOfTree, treeOf } from "./trees";

test("data leads from a leaf to the loss, and back from the loss to every leaf", () => {
  const { forward } = payloadOf("linreg").pictures;
  const [index, scopes] = [indexPicture(forward), scopesOf(forward)];
  const path = (item: string, down: boolean) => pathOf(scopes, forward, scopes.boxesOf(item), down, index.seen);
  expect([...path("t1", true).boxes]).toEqual(["t1", "c0", "t3", "c1", "t4", "c2", "t5", "c3", "t6"]);
  expect(path("t1", true).wires.size).toBe(8);
  expect([...path("t1", false).boxes]).toEqual(["t1"]);
  expect(path("t6", false).boxes.size).toBe(forward.boxes.length);
  expect(path("t6", false).wires.size).toBe(forward.wires.length);
});

test("no path goes through a cut", () => {
  const picture = pictureOf([boxAt("a", 0, 0), boxAt("b", 50, 0), boxAt("c", 100, 0)], [["a", "b"], ["b", "c"]]);
  for (const wire of picture.wires) if (wire.to === "b") wire.kind = "cut";
  const index = indexPicture(picture);
  expect([...pathOf(index.scopes, picture, [0], true, index.seen).boxes]).toEqual(["a"]);
  expect([...pathOf(index.scopes, picture, [2], false, index.seen).boxes]).toEqual(["c", "b"]);
});

test("a folded group is on the path when something in it is, and a wire only when it is on it itself", () => {
  const picture = pictureOfTree(treeOf(3, ["GPT", "h.1"]));
  const scopes = scopesOf(picture);
  const index = indexPicture(picture, scopes, new Set(scopes.tree.groups.flatMap(({ id, open }) => (open ? [id] : []))));
  const label = (id: string): string => index.boxes.get(id)?.label ?? "";
  const weight = scopes.tree.boxes.findIndex((box, at) => box.label === "weight" && scopes.holders(scopes.tree.boxes[at]?.id ?? "").some((group) => group.label === "h.1"));
  const path = pathOf(scopes, picture, [weight], true, index.seen);
  expect([...path.boxes].map(label).sort()).toEqual(["+", "+", "attn", "h.2", "loss", "mlp"]);
  const ends = picture.wires.filter(({ id }) => path.wires.has(id)).map(({ from, to }) => `${label(from)} ${label(to)}`);
  expect(ends.sort()).toEqual(["+ +", "+ h.2", "+ mlp", "attn +", "h.2 loss", "mlp +"]);
});

test("a long chain is gone along without recursion", () => {
  const boxes = Array.from({ length: 20_000 }, (_, i) => boxAt(`c${i}`, i, 0));
  const picture = pictureOf([]);
  picture.boxes = boxes;
  picture.wires = boxes.slice(1).map((box, i) => ({ id: `w${i}`, from: `c${i}`, to: box.id, d: "", arrow: true, kind: "data" }));
  const index = indexPicture(picture);
  expect(pathOf(index.scopes, picture, [0], true, index.seen).boxes.size).toBe(20_000);
});

test("the ways come in turn", () => {
  expect([nextWay(""), nextWay("loss"), nextWay("leaves")]).toEqual(["loss", "leaves", ""]);
});
