// @vitest-environment jsdom
import { expect, test } from "vitest";
import { drawGradients } from "../../autograd_magics/front/draw/gradients";
import type { Ledger, LedgerRow, Plot } from "../../autograd_magics/front/payload";
import { contextOf, payloadOf } from "./helpers";

const curve = { d: "M70 20L80 30", label: "w.grad, 9 points: from 3 to 27 <b>", dash: 0 };
const other = { d: "M70 60L80 50L90 40", label: "w, 9 points: from 1 to 2", dash: 1 };
const plot: Plot = {
  width: 320,
  height: 120,
  axes: ["M60 16V90H312"],
  faint: ["M60 50H312"],
  lines: [curve, other],
  texts: [
    { x: 60, y: 11, text: "w.grad", end: false },
    { x: 56, y: 23, text: "27", end: true },
  ],
};

const added: LedgerRow = {
  kind: "accumulated",
  what: "backward added",
  before: "None",
  added: "[3]",
  after: "[3]",
  was: "",
  value: "",
  line: "line 2",
  link: "L0:2",
  by: "b0",
  finding: null,
};
const stepped: LedgerRow = { ...added, kind: "stepped", what: "value stepped by opt", before: "", added: "", after: "" };

function draw(ledger: Partial<Ledger>): HTMLElement {
  const payload = payloadOf("linreg");
  payload.gradients = [{ id: "t0", name: "w", shape: "[1]", now: "[3]", rows: [added], ...ledger }];
  return drawGradients(contextOf(payload));
}

test("a plot is drawn as it comes, and told in words", () => {
  const figure = draw({ plot }).querySelector("figure");
  const paths = [...(figure?.querySelector("svg")?.querySelectorAll("path") ?? [])].map((path) => path.getAttribute("d"));
  expect(paths).toEqual([...plot.axes, ...plot.faint, curve.d, other.d]);
  expect([...(figure?.querySelectorAll("text") ?? [])].map((text) => text.getAttribute("text-anchor"))).toEqual(["start", "end"]);
  expect([...(figure?.querySelectorAll("li") ?? [])].map((item) => item.textContent)).toEqual([curve.label, other.label]);
  expect(figure?.querySelector("b")).toBeNull();
});

test("lines are told apart without colour, in the plot and beside the words", () => {
  const figure = draw({ plot }).querySelector("figure");
  const kinds = (root: Element | null | undefined): string[] =>
    [...(root?.querySelectorAll(".curve") ?? [])].map((path) => path.getAttribute("class") ?? "");
  expect(kinds(figure?.querySelector("svg"))).toEqual(["curve c0", "curve c1"]);
  expect(kinds(figure?.querySelector("figcaption"))).toEqual(["curve c0", "curve c1"]);
});

test("points have a point beside their words", () => {
  const figure = draw({ plot: { ...plot, lines: [curve, { ...other, sample: "M13 4m-2,0h4" }] } }).querySelector("figure");
  const samples = [...(figure?.querySelectorAll("li path") ?? [])].map((path) => path.getAttribute("d"));
  expect(samples).toEqual(["M1 4H25", "M13 4m-2,0h4"]);
});

test.each([{ plot: null }, {}])("a ledger of few steps has none", (ledger) => {
  expect(draw(ledger).querySelector("figure")).toBeNull();
});

test("a change of the value says so in one cell", () => {
  const table = draw({ rows: [added, { ...stepped, was: "[1]", value: "[0.7]" }, { ...stepped, value: "[1]" }] });
  const rows = [...table.querySelectorAll("tbody tr")];
  expect(rows.map((row) => row.children.length)).toEqual([5, 3, 3]);
  expect(rows[1]?.querySelector("td.own")?.textContent).toBe("[1] → [0.7]");
  expect(rows[2]?.querySelector("td.own")?.textContent).toBe("[1]");
  expect(rows[1]?.querySelector("td.own")?.getAttribute("colspan")).toBe("3");
});
