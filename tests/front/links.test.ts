import { expect, test } from "vitest";
import { relations } from "../../autograd_magics/front/links";
import { itemOf, checkPayload } from "../../autograd_magics/front/payload";
import { newState } from "../../autograd_magics/front/state";
import { payloadOf, pictureOf } from "./helpers";

test("relations go both ways and take in findings, saved tensors and marks", () => {
  const payload = payloadOf("linreg");
  const related = relations(payload);
  expect(related("n0").has("c0")).toBe(true);
  expect(related("t1").has("f0")).toBe(true);
  expect([...related("s1")]).toEqual(expect.arrayContaining(["n2", "t4", "L0:5"]));
  expect(related("L0:5").has("c2")).toBe(true);
  expect(related("nobody").size).toBe(0);
});

test("nothing is related to itself or to nothing", () => {
  for (const name of ["linreg", "loop", "failed"]) {
    const payload = payloadOf(name);
    const related = relations(payload);
    for (const item of Object.keys(payload.details)) {
      expect(related(item).has(item)).toBe(false);
      expect(related(item).has("")).toBe(false);
    }
  }
});

test("a repeated box stands for its item", () => {
  expect(itemOf("t5~2")).toBe("t5");
  expect(itemOf("L0:5")).toBe("L0:5");
});

test("a payload of another format is refused, with what was expected", () => {
  expect(() => checkPayload({ format: 2 })).toThrow("payload format 2 is not known, expected 1");
  expect(() => checkPayload(null)).toThrow("expected 1");
});

test("the graph opens in the picture that there is", () => {
  const payload = payloadOf("linreg");
  expect(newState(payload).mode.value).toBe("both");
  payload.pictures.forward = pictureOf([]);
  expect(newState(payload).mode.value).toBe("backward");
});
