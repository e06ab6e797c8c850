import { beforeEach, describe, expect, test } from "vitest";
import { Asking, readAnswer, stepAt, type Nudged } from "../../autograd_magics/front/nudge";
import { linkOf, type Model } from "../../autograd_magics/front/hub";
import { joinNudges } from "../../autograd_magics/front/link";
import { mount, type Mounted } from "../../autograd_magics/front/mount";
import { newState } from "../../autograd_magics/front/state";
import { payloadOf } from "./helpers";

const LEAF = {
  elements: [
    { name: "w[0]", value: "2", reach: 2 },
    { name: "w[1]", value: "−0.5", reach: 0.5 },
  ],
};

function answerTo(n: number, more: Partial<Nudged> = {}): Nudged {
  return { n, error: "", rows: [{ label: "J", value: "4 → 4.4" }], lesson: "a slope", values: { t1: "4.4" }, ...more };
}

describe("what is asked", () => {
  test("one question at a time, and of those that wait only the last", () => {
    const state = newState(payloadOf("linreg"));
    const asking = new Asking(state);
    asking.ask({ item: "t0", element: 0, step: 0.1 });
    const first = state.asked.value;
    asking.ask({ item: "t0", element: 0, step: 0.2 });
    asking.ask({ item: "t0", element: 0, step: 0.3 });
    expect(state.asked.value).toBe(first);
    expect(asking.takes(answerTo((first?.n ?? 0) + 1))).toBe(false);
    expect(asking.takes(answerTo(first?.n ?? 0))).toBe(true);
    expect(state.asked.value).toEqual({ n: (first?.n ?? 0) + 1, item: "t0", element: 0, step: 0.3, lang: "en" });
    expect(asking.takes(answerTo(first?.n ?? 0))).toBe(false);
  });

  test("after a change of mind the old answer is for nobody", () => {
    const state = newState(payloadOf("linreg"));
    const asking = new Asking(state);
    asking.ask({ item: "t0", element: 0, step: 0.1 });
    const n = state.asked.value?.n ?? 0;
    asking.forget();
    expect(asking.takes(answerTo(n))).toBe(false);
  });

  test("steps are even parts of the reach", () => {
    expect(stepAt(50, 0.5)).toBe(0.5);
    expect(stepAt(-7, 0.1)).toBe(-0.014);
    expect(stepAt(0, 5)).toBe(0);
  });

  test("only answers are read as such", () => {
    expect(readAnswer(undefined)).toBeNull();
    expect(readAnswer({})).toBeNull();
    expect(readAnswer({ n: 3, error: "no" })).toEqual({ n: 3, error: "no", rows: [], lesson: "", values: {} });
  });
});

class Kernel implements Model {
  readonly traits: Record<string, unknown> = {};
  readonly listeners = new Map<string, () => void>();
  get(name: string): unknown {
    return this.traits[name];
  }
  set(name: string, value: unknown): void {
    this.traits[name] = value;
    this.listeners.get(`change:${name}`)?.();
  }
  save_changes(): void {}
  on(event: string, callback: () => void): void {
    this.listeners.set(event, callback);
  }
  off(event: string): void {
    this.listeners.delete(event);
  }
}

describe("the panel", () => {
  let view: Mounted;
  let root: ShadowRoot;
  let kernel: Kernel;
  let leave: () => void;

  const get = <E extends HTMLElement>(selector: string): E => {
    const found = root.querySelector<E>(selector);
    if (!found) throw new Error(`nothing matches ${selector}`);
    return found;
  };
  const slide = (position: number): void => {
    const slider = get<HTMLInputElement>(".nudge input");
    slider.value = String(position);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const asked = (): { n: number; element: number; step: number } => kernel.traits["nudge"] as never;
  const valueOn = (item: string): string | null | undefined => root.querySelector(`[data-box=${item}] text.value`)?.textContent;

  beforeEach(() => {
    document.body.replaceChildren();
    const place = document.createElement("div");
    document.body.append(place);
    const payload = payloadOf("linreg");
    payload.nudge = { t0: LEAF };
    view = mount(place, payload, "");
    root = place.querySelector(".agm-view")?.shadowRoot as ShadowRoot;
    kernel = new Kernel();
    leave = joinNudges(view.state, linkOf(kernel));
    view.state.live.value = true;
    view.state.selection.value = "t0";
  });

  test("is there for a small leaf only", () => {
    expect(get(".nudge").hidden).toBe(false);
    view.state.selection.value = "c1";
    expect(root.querySelector(".nudge:not([hidden])")).toBeNull();
  });

  test("asks for what the slider says, and shows what comes back, on the wires too", () => {
    const recorded = valueOn("t1");
    slide(10);
    expect(asked()).toMatchObject({ item: "t0", element: 0, step: 0.4 });
    expect(get(".nudge output").textContent).toBe("ε = 0.4");
    kernel.set("nudged", answerTo(asked().n));
    expect(get(".nudge .outcome").textContent).toBe("J4 → 4.4a slope");
    expect(valueOn("t1")).toBe("4.4");
    expect(get("[data-box=t1]").classList).toContain("nudged");
    view.state.selection.value = "c1";
    expect(valueOn("t1")).toBe(recorded);
    expect(get("[data-box=t1]").classList).not.toContain("nudged");
  });

  test("the slider stays where it is while answers come", () => {
    const slider = get<HTMLInputElement>(".nudge input");
    slide(7);
    kernel.set("nudged", answerTo(asked().n));
    expect(root.querySelector(".nudge input")).toBe(slider);
    expect(slider.value).toBe("7");
  });

  test("another element begins at its own value, with its own reach", () => {
    const choice = get<HTMLSelectElement>(".nudge select");
    expect([...choice.options].map((option) => option.textContent)).toEqual(["w[0] = 2", "w[1] = −0.5"]);
    slide(5);
    kernel.set("nudged", answerTo(asked().n));
    choice.value = "1";
    choice.dispatchEvent(new Event("change", { bubbles: true }));
    expect(asked()).toMatchObject({ element: 1, step: 0 });
    kernel.set("nudged", answerTo(asked().n));
    slide(-50);
    expect(asked()).toMatchObject({ element: 1, step: -0.5 });
  });

  test("says why nothing can be run", () => {
    slide(1);
    kernel.set("nudged", { n: asked().n, error: "`dropout(w)` (line 2) draws random numbers" });
    expect(get(".nudge .error").textContent).toContain("dropout");
    expect(root.querySelector(".box.nudged")).toBeNull();
  });

  test("goes quiet with the kernel", () => {
    slide(3);
    kernel.set("nudged", answerTo(asked().n));
    leave();
    view.state.live.value = false;
    expect(get<HTMLInputElement>(".nudge input").disabled).toBe(true);
    expect(get<HTMLInputElement>(".nudge input").value).toBe("0");
    expect(get(".nudge .nothing").textContent).toMatch(/kernel/);
    expect(root.querySelector(".box.nudged")).toBeNull();
    expect(kernel.listeners.size).toBe(0);
  });
});
