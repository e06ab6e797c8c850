import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { longWires } from "../../autograd_magics/front/draw/decoration";
import { drawGraph } from "../../autograd_magics/front/draw/graph";
import { drawSaved } from "../../autograd_magics/front/draw/saved";
import { drawSide } from "../../autograd_magics/front/draw/side";
import type { Context } from "../../autograd_magics/front/context";
import { boxAt, contextOf, largePayload, payloadOf, pictureOf } from "./helpers";

const ignore = (): void => undefined;
let strokes = 0;

/** A canvas that counts what is drawn on it; jsdom has none. */
function pretendCanvas(): void {
  const calls = { get: (_: object, name: string) => (name === "canvas" ? document.body : count), set: () => true };
  const count = (): void => void (strokes += 1);
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(new Proxy({}, calls) as never);
  vi.stubGlobal("Path2D", class {
    addPath = ignore;
  });
}

beforeEach(() => {
  strokes = 0;
  pretendCanvas();
});
afterEach(() => vi.unstubAllGlobals());

function drawn(context: Context): HTMLElement {
  const { element } = drawGraph(context, ignore);
  document.body.replaceChildren(element);
  return element;
}

function get(element: Element, selector: string): HTMLElement {
  const found = element.querySelector<HTMLElement>(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return found;
}

describe("the minimap", () => {
  test("is there only where much of the picture is out of sight", () => {
    expect(get(drawn(contextOf(payloadOf("linreg"))), ".minimap").hidden).toBe(true);
    const large = contextOf(largePayload(200));
    const element = drawn(large);
    expect(get(element, ".minimap").hidden).toBe(false);
    expect(get(element, ".minimap").getAttribute("aria-hidden")).toBe("true");
    large.state.view.value = { x: 0, y: 0, k: 0.05 };
    expect(get(element, ".minimap").hidden).toBe(true);
  });

  test("shows what is seen, and moves there when it is dragged", () => {
    const context = contextOf(largePayload(200));
    const element = drawn(context);
    context.state.view.value = { x: 0, y: 0, k: 1 };
    const frame = get(element, ".minimap .window");
    expect(parseFloat(frame.style.left)).toBe(0);
    context.state.view.value = { x: -6000, y: 0, k: 1 };
    const width = parseFloat(get(element, ".minimap canvas").style.width);
    expect(parseFloat(frame.style.left)).toBeCloseTo((width * 6000) / 12010, 0);
    vi.spyOn(get(element, ".minimap canvas"), "getBoundingClientRect").mockReturnValue(new DOMRect(0, 0, width, 26));
    const event = new MouseEvent("pointerdown", { buttons: 1, clientX: width / 4, clientY: 13, bubbles: true });
    get(element, ".minimap").dispatchEvent(event);
    expect(context.state.view.value.x).toBeCloseTo(330 - 12010 / 4, 0);
    const { x } = context.state.view.value;
    get(element, ".minimap").dispatchEvent(new MouseEvent("pointermove", { buttons: 0, clientX: 1, bubbles: true }));
    expect(context.state.view.value.x).toBe(x);
  });
});

describe("very many boxes in sight", () => {
  test("are painted, except what is selected and what has the focus", () => {
    const context = contextOf(largePayload(2000));
    const element = drawn(context);
    expect(get(element, ".overview").hidden).toBe(true);
    context.state.selection.value = "c30";
    context.state.view.value = { x: 0, y: 0, k: 0.05 };
    expect(get(element, ".overview").hidden).toBe(false);
    const made = [...element.querySelectorAll("[data-box]")].map((box) => box.getAttribute("data-box"));
    expect(made).toEqual(expect.arrayContaining(["c0", "c30"]));
    expect(made.length).toBeLessThan(10);
    context.state.view.value = { x: 0, y: 0, k: 1 };
    expect(get(element, ".overview").hidden).toBe(true);
    expect(element.querySelectorAll("[data-box]").length).toBeGreaterThan(10);
  });

  test("the bitmap is moved, and made anew only where it ends", () => {
    const context = contextOf(largePayload(2000));
    const element = drawn(context);
    context.state.view.value = { x: -1000, y: 0, k: 0.1 };
    const [painted, first] = [strokes, get(element, ".overview").style.transform];
    expect(painted).toBeGreaterThan(100);
    context.state.view.value = { x: -1100, y: 0, k: 0.1 };
    expect(get(element, ".overview").style.transform).not.toBe(first);
    expect(strokes).toBe(painted);
    context.state.view.value = { x: -4000, y: 0, k: 0.1 };
    expect(strokes).toBeGreaterThan(painted);
  });

  test("a click chooses the box that is painted there", () => {
    const context = contextOf(largePayload(2000));
    const chosen: string[] = [];
    const { element } = drawGraph(context, (item) => chosen.push(item));
    document.body.replaceChildren(element);
    context.state.view.value = { x: 0, y: 0, k: 0.1 };
    const click = (x: number): void => {
      get(element, "svg.picture").dispatchEvent(new MouseEvent("click", { clientX: x, clientY: 10, bubbles: true }));
    };
    click((30 + 60 * 40) * 0.1);
    expect(chosen).toEqual(["c40"]);
  });
});

describe("long wires", () => {
  const boxes = Array.from({ length: 20 }, (_, i) => boxAt(`c${i}`, 30 + 60 * i, 100));
  const pairs = boxes.slice(1).map((box, i): [string, string] => [`c${i}`, box.id]);

  test("are those that pass by many boxes", () => {
    expect(longWires(pictureOf(boxes, pairs)).size).toBe(0);
    expect([...longWires(pictureOf(boxes, [...pairs, ["c2", "c12"], ["c3", "c5"]]))]).toEqual(["c2-c12"]);
  });

  test("can be made faint, and show at what is selected", () => {
    const payload = payloadOf("linreg");
    payload.pictures.forward = pictureOf(boxes, [...pairs, ["c2", "c12"]]);
    const context = contextOf(payload);
    const element = drawn(context);
    context.state.view.value = { x: 0, y: 0, k: 0.5 };
    const wire = get(element, "[data-wire=c2-c12]");
    expect(wire.classList).not.toContain("skip");
    context.state.calm.value = true;
    expect(wire.classList).toContain("skip");
    context.state.selection.value = "c12";
    expect(wire.classList).toContain("near");
    context.state.selection.value = "";
    expect(wire.classList).not.toContain("near");
    get(element, "[data-box=c2]").dispatchEvent(new Event("pointerover", { bubbles: true }));
    expect(wire.classList).toContain("near");
  });
});

describe("long tables", () => {
  test("more rows come when they are asked for, a part at a time", () => {
    const element = drawSaved(contextOf(largePayload(2000)));
    expect(element.querySelectorAll(".row")).toHaveLength(60);
    get(element, ".more").click();
    expect(element.querySelectorAll(".row")).toHaveLength(460);
    expect(get(element, ".rows").lastElementChild).toBe(get(element, ".rest"));
  });

  test("a row that is selected comes by itself", () => {
    const payload = largePayload(2000);
    const context = contextOf(payload);
    context.state.tab.value = "saved";
    const element = drawSide(context, ignore);
    expect(element.querySelector("[data-item=s1200]")).toBeNull();
    context.state.selection.value = "s1200";
    expect(get(element, "[data-item=s1200]").classList).toContain("selected");
    expect(element.querySelectorAll(".row")).toHaveLength(1201);
  });
});
