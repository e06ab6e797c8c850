import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { faintParts, hasLayer, layersOf } from "../../autograd_magics/front/layers";
import { mount, type Mounted } from "../../autograd_magics/front/mount";
import type { Payload } from "../../autograd_magics/front/payload";
import { boxAt, payloadOf, pictureOf } from "./helpers";

/** y = f(x), dy = ∂y/∂x, d2y = ∂dy/∂x: two orders, in both pictures. */
function layered(): Payload {
  const payload = payloadOf("linreg");
  const boxes = [
    boxAt("t0", 30, 100, { layer: 0 }),
    boxAt("c1", 130, 100),
    boxAt("b0", 230, 100),
    boxAt("t2", 330, 100, { layer: 2 }),
    boxAt("b1", 430, 100, { layer: 2, hook: "changed" }),
    boxAt("t9", 430, 200, { layer: 0 }),
  ];
  const pairs: [string, string][] = [["t0", "c1"], ["c1", "b0"], ["b0", "t2"], ["t2", "b1"], ["t9", "b1"]];
  const nodes = [boxAt("n1", 30, 100), boxAt("n0", 130, 100, { layer: 0 })];
  payload.pictures = { forward: pictureOf(boxes, pairs), backward: pictureOf(nodes, [["n1", "n0"]]) };
  delete payload.timeline;
  return payload;
}

let views: Mounted[] = [];
beforeEach(() => document.body.replaceChildren());
afterEach(() => {
  views.forEach((view) => view.remove());
  views = [];
});

function show(payload: Payload): { view: Mounted; root: ShadowRoot } {
  const place = document.createElement("div");
  document.body.append(place);
  const view = mount(place, payload, "");
  views.push(view);
  const root = place.querySelector(".agm-view")?.shadowRoot;
  if (!root) throw new Error("nothing was mounted");
  return { view, root };
}

const buttons = (root: ShadowRoot): HTMLButtonElement[] => [...root.querySelectorAll<HTMLButtonElement>(".layers button")];
const pressed = (root: ShadowRoot): (string | null)[] =>
  buttons(root).filter((button) => button.getAttribute("aria-pressed") === "true").map((button) => button.textContent);
const faint = (root: ShadowRoot): string[] =>
  [...root.querySelectorAll(".scene .faint")].map((e) => e.getAttribute("data-box") ?? e.getAttribute("data-wire") ?? "");

describe("layers", () => {
  test("the orders that there are, and none where there is one", () => {
    expect(layersOf(layered())).toEqual([1, 2]);
    expect(layersOf(payloadOf("linreg"))).toEqual([]);
  });

  test("a wire belongs to the higher of its ends, a leaf to what it is wired to", () => {
    const { forward, backward } = layered().pictures;
    expect([...faintParts(forward, 1)].sort()).toEqual(["b0-t2", "b1", "t2", "t2-b1", "t9", "t9-b1"]);
    expect([...faintParts(forward, 2)].sort()).toEqual(["b0", "c1", "c1-b0", "t0", "t0-c1"]);
    expect([hasLayer(backward, 2), faintParts(backward, 2).size, faintParts(forward, 0).size]).toEqual([false, 0, 0]);
  });
});

describe("the control", () => {
  test("is there only where there are several orders", () => {
    expect(buttons(show(layered()).root).map((button) => button.textContent)).toEqual(["All", "1st", "2nd"]);
    expect(buttons(show(payloadOf("linreg")).root)).toEqual([]);
  });

  test("makes the rest faint, and all is as before with All", () => {
    const { root } = show(layered());
    expect([pressed(root), faint(root)]).toEqual([["All"], []]);
    buttons(root)[2]?.click();
    expect([pressed(root), faint(root).sort()]).toEqual([["2nd"], ["b0", "c1", "c1-b0", "t0", "t0-c1"]]);
    buttons(root)[0]?.click();
    expect(faint(root)).toEqual([]);
  });

  test("l goes on to the next, and keeps to what the picture has", () => {
    const { view, root } = show(layered());
    const press = (): void => {
      const widget = root.querySelector(".widget");
      widget?.dispatchEvent(new KeyboardEvent("keydown", { key: "l", bubbles: true, cancelable: true, composed: true }));
    };
    const seen: number[] = [];
    for (let n = 0; n < 3; n++) {
      press();
      seen.push(view.state.layer.value);
    }
    expect(seen).toEqual([1, 2, 0]);
    view.state.layer.value = 2;
    view.state.mode.value = "backward";
    expect([pressed(root), faint(root)]).toEqual([["All"], []]);
    expect(buttons(root).map((button) => button.disabled)).toEqual([false, false, true]);
    view.state.mode.value = "both";
    expect([pressed(root), faint(root).length]).toEqual([["2nd"], 5]);
  });

  test("stays in another language, in its words", () => {
    const payload = layered();
    const words = payload.text;
    const portuguese = { ...words, "ui.layer_all": "Todas", "ui.layer_1": "1ª", "ui.layer_2": "2ª" };
    payload.languages = { en: words, pt_BR: portuguese };
    const { view, root } = show(payload);
    buttons(root)[2]?.click();
    view.state.lang.value = "pt_BR";
    expect([pressed(root), faint(root).length]).toEqual([["2ª"], 5]);
  });
});

describe("hooks", () => {
  test("a box has a sign, and the legend says what it means", () => {
    const { root } = show(layered());
    expect(root.querySelectorAll(".scene .hook.changed")).toHaveLength(1);
    expect(root.querySelector("[data-box=b1] .hook")).not.toBeNull();
    expect(root.querySelector(".legend")?.textContent).toContain("a hook changed the gradient here");
  });
});
