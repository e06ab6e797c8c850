import { describe, expect, it } from "vitest";
import { expanded, type Columns } from "../../autograd_magics/front/columns";
import { relations } from "../../autograd_magics/front/links";
import type { Payload } from "../../autograd_magics/front/payload";
import { translator } from "../../autograd_magics/front/text";

/** `y = w * x` and `L = y.sum()`, of which only the last call has details. */
const COLUMNS: Columns = {
  words: { input: "input", output: "output", made_node: "node", line: "line", kind: "type", next: "next", leaf: "leaf" },
  lines: [{ id: "L0:2", text: "line 2", code: "y = w * x" }],
  calls: { id: [3, 5], name: ["Tensor.mul", "Tensor.sum"], line: [0, -1], inputs: [[1, 2], [4]], outputs: [[4], [7]], nodes: [[1], [2]] },
  tensors: { id: [1, 2, 4, 7], name: ["w", "x", "y", "L"], kind: ["float32[2]", "float32[2]", "float32[2]", "float32[]"], call: [-1, -1, 3, 5], node: [-1, -1, 1, 2] },
  nodes: { name: ["AccumulateGrad", "MulBackward0", "SumBackward0"], line: [-1, 0, -1], call: [-1, 3, 5], leaf: [1, -1, -1], next: [[], [0, -1], [1]] },
};
const FULL = { title: "all of it", subtitle: "", rows: [], findings: [] };

function payload(): Payload {
  const timeline = {
    kinds: "fsgbf", captions: ["", "", "", "", "told"], lines: ["L0:2", "L0:2", "", "L0:2", ""],
    items: [["c3", "n1"], ["n1", "c3"], ["t1", "n0"], ["t7"], ["c5"]],
  };
  const part = { details: { c5: FULL }, related: {}, columns: COLUMNS, timeline, findings: [], saved: { rows: [] }, source: [] };
  const words = { "ui.brief_call": "forward: {code}", "ui.brief_step": "through {node}", "ui.brief_grad": "{name}.grad" };
  return expanded(part as unknown as Payload, translator(words));
}

describe("a payload with columns", () => {
  it("keeps the details that it has, and makes the others when asked", () => {
    const { details } = payload();
    expect(details["c5"]).toBe(FULL);
    expect(details["c3"]).toEqual({
      title: "Tensor.mul",
      subtitle: "y = w * x",
      findings: [],
      rows: [
        { label: "input", value: "w  float32[2]", mono: true, link: "t1" },
        { label: "input", value: "x  float32[2]", mono: true, link: "t2" },
        { label: "output", value: "y  float32[2]", mono: true, link: "t4" },
        { label: "node", value: "MulBackward0", mono: true, link: "n1" },
        { label: "line", value: "line 2", mono: false, link: "L0:2" },
      ],
    });
    expect(details["n0"]?.rows).toEqual([{ label: "leaf", value: "w  float32[2]", mono: true, link: "t1" }]);
    expect(details["t4"]?.rows.map(({ link }) => link)).toEqual([null, "n1", "c3"]);
    expect(["c4", "t3", "n9", "b0", "nonsense", ""].map((item) => details[item])).toEqual(Array(6).fill(undefined));
  });

  it("knows what belongs together, both ways", () => {
    const related = relations(payload());
    expect([...related("c3")]).toEqual(["L0:2", "t4", "n1"]);
    expect([...related("L0:2")]).toEqual(["c3", "n1"]);
    expect([...related("t4")]).toEqual(["c3", "n1"]);
    expect([...related("n1")]).toEqual(["L0:2", "c3", "t4"]);
    expect([...related("t1")]).toEqual(["n0"]);
    expect([...related("c4")]).toEqual([]);
  });

  it("tells the moments that have no caption", () => {
    const { timeline } = payload();
    expect([0, 1, 2, 3, 4].map((i) => timeline?.captions[i])).toEqual([
      "forward: y = w * x", "through MulBackward0", "w.grad", "y = w * x", "told",
    ]);
    expect(timeline?.captions.length).toBe(5);
  });

  it("is left alone without them", () => {
    const plain = { details: {} } as unknown as Payload;
    expect(expanded(plain, translator({}))).toBe(plain);
  });
});
