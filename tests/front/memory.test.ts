// @vitest-environment jsdom
import { describe, expect, test } from "vitest";
import type { Context } from "../../autograd_magics/front/context";
import { drawSaved } from "../../autograd_magics/front/draw/saved";
import type { Memory, MemoryChart } from "../../autograd_magics/front/payload";
import { contextOf, withWords } from "./helpers";
import steps from "./fixtures/steps.json";

const memory: Memory = {
  said: ["Most is held at line 4, after `exp`: 32 B in 2 tensors. <img>"],
  notes: ["16 B is still held by `loss`."],
  tables: [
    {
      by: "line",
      heads: ["at the peak", "there anyway", "tensors", "at the end"],
      rows: [
        { name: "line 10", link: "L0:4", share: 0.5, numbers: [16, 0, 3, 0], texts: ["16 B", "–", "3", "–"] },
        { name: "line 9", link: null, share: 0.25, numbers: [8, 8, 5, 0], texts: ["8 B", "8 B", "5", "–"] },
      ],
      more: "2 more",
      note: "Counts in each.",
    },
    { by: "dtype", heads: ["at the peak"], rows: [{ name: "float32", link: null, share: 1, numbers: [32], texts: ["32 B"] }], more: "", note: "" },
  ],
};
const chart: MemoryChart = {
  width: 360,
  height: 120,
  left: 60,
  right: 360,
  axis: "M60 16V108H360",
  runs: [[200, 100, 16, 92]],
  areas: ["M60 108H100V16H360V108Z", "M60 108H100V60H360V108Z"],
  peak: [110, 16],
  texts: [{ x: 114, y: 11, text: "peak 32 B", end: false }],
  legend: ["held", "anyway", "backward"],
};

function draw(more: Partial<Memory> = {}, drawn: MemoryChart | null = chart): [HTMLElement, Context] {
  const payload = withWords(steps);
  payload.saved.memory = { ...memory, ...more };
  if (payload.timeline) payload.timeline.memory = drawn;
  const context = contextOf(payload);
  context.state.tab.value = "saved";
  return [drawSaved(context), context];
}

const texts = (root: Element, selector: string): (string | null)[] => [...root.querySelectorAll(selector)].map((one) => one.textContent);

describe("the chart", () => {
  test("is drawn as it comes, with a legend in words", () => {
    const [root] = draw();
    const svg = root.querySelector(".memory figure > svg");
    expect([...(svg?.querySelectorAll("path.held, path.anyway") ?? [])].map((path) => path.getAttribute("d"))).toEqual(chart.areas);
    expect(svg?.querySelector("rect.run")?.getAttribute("width")).toBe("100");
    expect(svg?.getAttribute("aria-label")).toBe("Bytes held for backward, over time");
    expect(texts(root, "figcaption span")).toEqual(chart.legend);
    expect(texts(root, ".peak")).toEqual(["peak 32 B"]);
  });

  test("points at the present moment, and at none at the end", () => {
    const [root, { state, payload }] = draw();
    const now = root.querySelector(".now");
    const count = payload.timeline?.kinds.length ?? 0;
    expect(now?.getAttribute("d")).toBe("");
    state.moment.value = 0;
    expect(now?.getAttribute("d")).toBe(`M${Math.round(10 * (60 + (0.5 / count) * 300)) / 10} 12V120`);
    state.moment.value = count;
    expect(now?.getAttribute("d")).toBe("");
  });

  test("is left out where there is none", () => {
    const [root] = draw({}, null);
    expect(root.querySelector("figure")).toBeNull();
    expect(texts(root, ".memory .said li")).toHaveLength(1);
  });
});

describe("sentences and tables", () => {
  test("say what is held, with code as code and nothing as markup", () => {
    const [root] = draw();
    expect(texts(root, ".said code, .notes code")).toEqual(["exp", "loss"]);
    expect(root.querySelector("img")).toBeNull();
    const [bare] = draw({ notes: [], tables: [] });
    expect(bare.querySelector(".notes, table")).toBeNull();
  });

  test("one table is chosen of several", () => {
    const [root] = draw();
    const [line, dtype] = root.querySelectorAll<HTMLElement>(".choice button");
    expect(texts(root, "tbody td:first-child")).toEqual(["line 10", "line 9"]);
    expect(texts(root, ".memory p")).toEqual(["2 more", "Counts in each."]);
    dtype?.click();
    expect(texts(root, "tbody td:first-child")).toEqual(["float32"]);
    expect([line, dtype].map((button) => button?.getAttribute("aria-pressed"))).toEqual(["false", "true"]);
  });

  test("a click on a head sorts, another one turns it round", () => {
    const [root] = draw();
    const heads = root.querySelectorAll<HTMLElement>("thead button");
    const names = (): (string | null)[] => texts(root, "tbody td:first-child");
    const sorted = (): (string | null)[] => [...root.querySelectorAll("th")].map((head) => head.getAttribute("aria-sort"));
    expect(sorted()).toEqual([null, "descending", null, null, null]);
    heads[3]?.click();
    expect(names()).toEqual(["line 9", "line 10"]);
    expect(sorted()).toEqual([null, null, null, "descending", null]);
    heads[3]?.click();
    expect(names()).toEqual(["line 10", "line 9"]);
    heads[0]?.click();
    expect(names()).toEqual(["line 9", "line 10"]);
    expect(sorted()).toEqual(["ascending", null, null, null, null]);
  });

  test("bars are measured by the largest row, and their titles say the share of the peak", () => {
    const [root] = draw();
    const bars = [...root.querySelectorAll<HTMLElement>(".part")];
    expect(bars.map((bar) => bar.style.width)).toEqual(["100%", "50%"]);
    expect(bars.map((bar) => bar.title)).toEqual(["share of the peak: 50 %", "share of the peak: 25 %"]);
  });

  test("a name leads to its line", () => {
    const [root] = draw();
    expect([...root.querySelectorAll("tbody [data-go]")].map((one) => one.getAttribute("data-go"))).toEqual(["L0:4"]);
  });
});
