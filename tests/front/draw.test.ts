import { describe, expect, test } from "vitest";
import { arrowHead, drawBox, drawWire } from "../../autograd_magics/front/draw/box";
import { drawDetails } from "../../autograd_magics/front/draw/details";
import { drawFindings } from "../../autograd_magics/front/draw/findings";
import { drawGradients } from "../../autograd_magics/front/draw/gradients";
import { drawGraph } from "../../autograd_magics/front/draw/graph";
import { drawHeader } from "../../autograd_magics/front/draw/header";
import { drawLegend } from "../../autograd_magics/front/draw/legend";
import { drawSaved } from "../../autograd_magics/front/draw/saved";
import { drawSide } from "../../autograd_magics/front/draw/side";
import { drawSource, marked } from "../../autograd_magics/front/draw/source";
import type { Context } from "../../autograd_magics/front/context";
import type { Payload } from "../../autograd_magics/front/payload";
import { setMode } from "../../autograd_magics/front/state";
import { boxAt, contextOf, fixtures, largePayload, payloadOf, pictureOf, wireOf } from "./helpers";

const ignore = (): void => undefined;
const DRAW: Record<string, (context: Context) => Element> = {
  details: drawDetails,
  gradients: drawGradients,
  saved: drawSaved,
  findings: drawFindings,
  source: drawSource,
  legend: drawLegend,
  graph: (context) => drawGraph(context, ignore).element,
  header: (context) => drawHeader(context, drawGraph(context, ignore), ignore).element,
  side: (context) => drawSide(context, ignore),
};

function items(payload: Payload): Set<string> {
  const lines = payload.source.flatMap((source) => source.lines.map((line) => line.id));
  const ids = [...payload.saved.rows, ...payload.findings, ...payload.gradients].map((row) => row.id);
  return new Set([...Object.keys(payload.details), ...lines, ...ids]);
}

describe.each(Object.keys(DRAW))("%s", (name) => {
  const draw = DRAW[name] as (context: Context) => Element;

  test.each(Object.keys(fixtures))("draws %s, whatever is selected, with names on every control", (fixture) => {
    const context = contextOf(payloadOf(fixture));
    const element = draw(context);
    expect(element.textContent).not.toBe("");
    for (const item of ["", ...items(context.payload)]) {
      context.state.selection.value = item;
      expect(element.textContent).not.toMatch(/undefined|NaN|\[object|ui\./);
    }
    for (const control of element.querySelectorAll("button, input, [role=button]")) {
      expect(control.getAttribute("aria-label") || control.textContent, control.outerHTML).toBeTruthy();
    }
  });

  test.each(Object.keys(fixtures))("links in %s lead to something", (fixture) => {
    const context = contextOf(payloadOf(fixture));
    const known = items(context.payload);
    for (const link of draw(context).querySelectorAll<HTMLElement>("[data-go]")) {
      expect(known).toContain(link.dataset.go);
    }
  });

  test("hostile names stay text", () => {
    const evil = "<img src=x onerror=alert(1)><script>alert(2)</script>";
    const safe = JSON.stringify(payloadOf("linreg"), (key, value: unknown) => {
      const kept = ["id", "shape", "style", "kind", "severity", "d", "theme", "lang", "from", "to", "link"];
      const given = typeof value === "string" && !kept.includes(key) && !/^[tcnbsfL]\d/.test(value);
      return given && !key.startsWith("ui.") ? evil : value;
    });
    const payload = JSON.parse(safe) as Payload;
    const context = contextOf(payload);
    const element = draw(context);
    context.state.selection.value = "c2";
    expect(element.querySelectorAll("img, script, [onerror]")).toHaveLength(0);
    if (name !== "legend") expect(element.outerHTML).toContain("&lt;img src=x");
  });

  test("draws a cell with nothing in it", () => {
    const payload = payloadOf("linreg");
    const nothing = { gradients: [], findings: [], source: [], details: {}, related: {}, summary: [], notices: [] };
    const pictures = { forward: pictureOf([]), backward: pictureOf([]) };
    const context = contextOf({ ...payload, ...nothing, pictures, saved: { total: "", rows: [], memory: null } });
    expect(() => draw(context)).not.toThrow();
  });
});

describe("a box", () => {
  test.each(["circle", "pill", "rect", "wire", "tag"] as const)("of shape %s has its texts and its title", (shape) => {
    const texts = { label: "L", sub: "[4]", name: "name", above: "1 2", below: "3 4", badge: "2" };
    const box = drawBox(boxAt("c0", 10, 20, { shape, ...texts, severity: "warning" }));
    expect(box.getAttribute("aria-label")).toMatch(/^title of c0 · .*1 2 3 4 2$/);
    expect(box.getAttribute("transform")).toBe("translate(10 20)");
    for (const text of ["name", "1 2", "3 4", "[4]", "2"]) expect(box.textContent).toContain(text);
    expect(box.querySelector(".sign.warning")).not.toBeNull();
  });

  test("says what it is by more than colour", () => {
    const looks = (["cut", "failed", "leaf"] as const).map((style) => drawBox(boxAt("c0", 0, 0, { style })));
    expect(new Set(looks.map((box) => box.getAttribute("class"))).size).toBe(3);
    expect(drawBox(boxAt("c0", 0, 0, { style: "cut" })).textContent).toContain("✂");
    expect(drawBox(boxAt("t1~2", 0, 0, { ghost_of: "t1" })).classList).toContain("ghost");
  });
});

test("the arrow head stands at the end of its wire and points along it", () => {
  expect(arrowHead("M0 0C5 0 5 10 10 10")).toBe("1.50,13.90 10.00,10.00 1.50,6.10");
  const wire = wireOf(boxAt("a", 0, 0), boxAt("b", 9, 9));
  expect(drawWire(wire).querySelector("polygon")).not.toBeNull();
  expect(drawWire({ ...wire, arrow: false }).querySelector("polygon")).toBeNull();
});

test("the forward mode hides gradients, the backward mode shows the nodes", () => {
  const context = contextOf(payloadOf("linreg"));
  const { element } = drawGraph(context, ignore);
  const svg = element.querySelector("svg.picture");
  expect(svg?.classList).not.toContain("no-grad");
  setMode(context.state, "forward");
  expect(svg?.classList).toContain("no-grad");
  setMode(context.state, "backward");
  expect([...element.querySelectorAll("[data-box]")].map((box) => box.getAttribute("data-box"))).toContain("n2");
  expect(element.querySelector("[data-box=c2]")).toBeNull();
});

test("selection, its relations and the wires to it are marked", () => {
  const context = contextOf(payloadOf("linreg"));
  const { element } = drawGraph(context, ignore);
  context.state.selection.value = "c2";
  expect(element.querySelector("[data-box=c2]")?.classList).toContain("selected");
  expect(element.querySelector("[data-box=c2]")?.getAttribute("aria-pressed")).toBe("true");
  expect(element.querySelector("[data-box=t5]")?.classList).toContain("related");
  const near = [...element.querySelectorAll(".wire.near[data-wire]")].map((wire) => wire.getAttribute("data-wire"));
  expect(near).toEqual(["w5", "w6", "w7", "w8"]);
});

test("of a large graph only what is in sight is drawn, and the box with the focus", () => {
  const context = contextOf(largePayload(2000));
  const { element, fit } = drawGraph(context, ignore);
  expect(element.querySelectorAll("[data-box]").length).toBeLessThan(40);
  expect(element.querySelectorAll(".unseen li")).toHaveLength(2000);
  context.state.view.value = { x: -60_000, y: 0, k: 1 };
  expect(element.querySelector("[data-box=c1000]")).not.toBeNull();
  expect(element.querySelector("[data-box=c0]")?.getAttribute("tabindex")).toBe("0");
  expect(element.querySelector("[data-box=c1]")).toBeNull();
  fit();
  expect(element.querySelector(".scene")?.classList).toContain("far");
});

test("long tables come in parts", () => {
  const context = contextOf(largePayload(200));
  for (const [draw, row] of [[drawGradients, "tbody .change"], [drawSaved, ".row"]] as const) {
    const element = draw(context);
    expect(element.querySelectorAll(row)).toHaveLength(60);
    element.querySelector<HTMLElement>(".more")?.click();
    expect(element.querySelectorAll(row)).toHaveLength(200);
    expect(element.querySelector(".more")).toBeNull();
  }
});

test("marks nest, overlap and count characters, not code units", () => {
  const line = document.createElement("code");
  const show = (text: string, marks: [number, number, string][]): string => {
    line.replaceChildren(...marked(text, marks));
    const spans = [...line.querySelectorAll<HTMLElement>(".mark")];
    expect(line.textContent).toBe(text);
    return spans.map((span) => `${span.dataset.item}=${span.textContent}`).join(" ");
  };
  expect(show("a.b().c()", [[0, 5, "c0"], [0, 9, "c1"]])).toBe("c1=a.b().c() c0=a.b()");
  expect(show("f(g(x), h(y))", [[0, 13, "c2"], [2, 6, "c0"], [8, 12, "c1"]])).toBe("c2=f(g(x), h(y)) c0=g(x) c1=h(y)");
  expect(show("𝛼 = 𝛽 * 2", [[4, 9, "c0"]])).toBe("c0=𝛽 * 2");
  expect(show("abcdef", [[0, 4, "c0"], [2, 6, "c1"]])).toBe("c0=abcd c1=cd");
  expect(show("ab", [[5, 9, "c0"]])).toBe("");
});
