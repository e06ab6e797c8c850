/** Charts of larger tensors: what is drawn is what is said. */
import { describe, expect, test } from "vitest";
import { drawBox } from "../../autograd_magics/front/draw/box";
import { drawDetails } from "../../autograd_magics/front/draw/details";
import { drawCharts } from "../../autograd_magics/front/draw/histogram";
import type { Chart, Detail } from "../../autograd_magics/front/payload";
import { boxAt, contextOf, payloadOf } from "./helpers";

const words = { title: "Histogram of h", said: "8 values, most of them small", low: "−1", high: "2" };
const bins: Chart = { ...words, kind: "bins", bins: [4, 0, 2, 1000] };
const cells: Chart = { ...words, kind: "cells", cells: [[-8, 0, null], [4, 8, 1]], ends: [-8, 8] };

function draw(...charts: Chart[]): HTMLElement {
  const drawn = drawCharts(charts);
  if (!(drawn instanceof HTMLElement)) throw new Error("nothing drawn");
  return drawn;
}

const numbers = (found: Iterable<Element>, name: string): number[] =>
  [...found].map((element) => Number(element.getAttribute(name)));

describe("a histogram", () => {
  test("has one bar for each step, as high as its count; what is there is never invisible", () => {
    const bars = draw(bins).querySelectorAll(".bar-of");
    const heights = numbers(bars, "height");
    expect(heights[3]).toBe(64);
    expect(heights[1]).toBe(0);
    expect(heights[0]).toBe(1.5);
    expect(numbers(bars, "x")).toEqual([0.5, 60.5, 120.5, 180.5]);
    expect(numbers(bars, "y").map((y, i) => y + (heights[i] ?? 0))).toEqual([64, 64, 64, 64]);
  });

  test("of nothing at all is drawn too", () => {
    expect(numbers(draw({ ...bins, bins: [0, 0] }).querySelectorAll(".bar-of"), "height")).toEqual([0, 0]);
    expect(draw({ ...bins, bins: [] }).querySelectorAll(".bar-of")).toHaveLength(0);
  });
});

describe("a heat map", () => {
  test("shows the sign by the colour and the size by its strength, and crosses out what has no value", () => {
    const picture = draw(cells).querySelector("svg");
    const drawn = [...(picture?.querySelectorAll(".cell") ?? [])];
    expect(drawn.map((cell) => cell.getAttribute("class"))).toEqual([
      "cell below", "cell above", "cell above", "cell above", "cell above",
    ]);
    expect(numbers(drawn, "fill-opacity")).toEqual([1, 0, 0.5, 1, 0.125]);
    expect(picture?.querySelectorAll(".void")).toHaveLength(1);
    expect(picture?.getAttribute("viewBox")).toBe("0 0 66 44");
  });

  test("of many blocks is no wider than a histogram", () => {
    const row = Array.from({ length: 16 }, () => 1);
    const picture = draw({ ...cells, cells: [row] }).querySelector("svg");
    expect(Number(picture?.getAttribute("width"))).toBe(240);
  });

  test("has a scale from end to end", () => {
    expect(draw(cells).querySelectorAll(".axis rect")).toHaveLength(17);
    const positive = draw({ ...cells, ends: [0, 8] });
    expect(positive.querySelectorAll(".axis .below")).toHaveLength(0);
    expect(draw({ ...cells, ends: [8, 8] }).querySelectorAll(".axis rect")).toHaveLength(1);
    expect(positive.querySelector(".ends-of-scale")?.textContent).toBe("−12");
  });
});

test("each chart is one picture that says in a sentence what it shows", () => {
  const drawn = draw(bins, cells);
  for (const picture of drawn.querySelectorAll("figure > svg")) {
    expect(picture.getAttribute("role")).toBe("img");
    expect(picture.getAttribute("aria-label")).toBe(words.said);
    expect(picture.querySelector("title")?.textContent).toBe(words.said);
  }
  expect([...drawn.querySelectorAll("figcaption")].map((caption) => caption.textContent)).toEqual([
    words.title, words.title,
  ]);
});

test("a name that would like to be markup stays text", () => {
  const evil = "<img src=x onerror=alert(1)>";
  const drawn = draw({ ...bins, title: evil, said: evil });
  expect(drawn.querySelector("img")).toBeNull();
  expect(drawn.querySelector("figcaption")?.textContent).toBe(evil);
});

test("the details show charts and mark what is odd", () => {
  const payload = payloadOf("linreg");
  const rows: Detail["rows"] = [
    { label: "zeros", value: "0", mono: true, link: null },
    { label: "NaN, Inf", value: "⚠ 3 NaN", mono: false, link: null, alarm: true },
  ];
  const detail = { title: "h", subtitle: "", rows, findings: [] };
  const context = contextOf({ ...payload, details: { t0: { ...detail, charts: [bins] }, t1: detail } });
  const element = drawDetails(context);
  context.state.selection.value = "t0";
  expect(element.querySelectorAll(".chart")).toHaveLength(1);
  expect([...element.querySelectorAll(".alarm")].map((row) => row.textContent)).toEqual(["⚠ 3 NaN"]);
  context.state.selection.value = "t1";
  expect(element.querySelectorAll(".chart, .charts")).toHaveLength(0);
});

describe("a box with figures", () => {
  const texts = { name: "h", above: "float32[64]", below: "grad float32[64]" };
  const yOf = (element: Element, kind: string): number => Number(element.querySelector(kind)?.getAttribute("y"));

  test("has them between the value and the core, and under the gradient", () => {
    const more = { ...texts, above_figures: "μ 1 σ 2", below_figures: "⚠ 3 NaN" };
    const box = drawBox(boxAt("t0", 0, 0, { shape: "wire", ...more }));
    const [figures, gradient] = box.querySelectorAll(".figures");
    const above = Number(figures?.getAttribute("y"));
    expect([yOf(box, ".name"), yOf(box, ".value"), above]).toEqual([-36, -22, -8]);
    expect(Number(gradient?.getAttribute("y")) - yOf(box, ".grad:not(.figures)")).toBe(14);
    expect(figures?.classList.contains("alarm")).toBe(false);
    expect(gradient?.classList.contains("alarm")).toBe(true);
    expect(box.getAttribute("aria-label")).toContain("μ 1 σ 2");
  });

  test("without them has its texts where they always were", () => {
    const box = drawBox(boxAt("t0", 0, 0, { shape: "wire", ...texts }));
    expect([yOf(box, ".name"), yOf(box, ".value")]).toEqual([-22, -8]);
    expect(box.querySelector(".figures")).toBeNull();
  });
});
