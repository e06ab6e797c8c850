import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { hub } from "../../autograd_magics/front/hub";
import { followLink } from "../../autograd_magics/front/link";
import { mount, type Mounted } from "../../autograd_magics/front/mount";
import { indexPicture } from "../../autograd_magics/front/picture";
import { firstOpen, levelLess, levelMore, Scopes, scopesOf, toggled, unfoldedAlike, unfoldedTo } from "../../autograd_magics/front/scopes";
import { newState } from "../../autograd_magics/front/state";
import { payloadOf } from "./helpers";
import { pictureOfTree, treeOf, treePayload } from "./trees";

let views: Mounted[] = [];

interface Seen {
  view: Mounted;
  root: ShadowRoot;
}

function show(payload = treePayload(3)): Seen {
  const place = document.createElement("div");
  document.body.append(place);
  const view = mount(place, payload, "");
  views.push(view);
  const root = place.querySelector(".agm-view")?.shadowRoot;
  if (!root) throw new Error("nothing was mounted");
  return { view, root };
}

function get(root: ShadowRoot | Element, selector: string): HTMLElement {
  const element = root.querySelector<HTMLElement>(selector);
  if (!element) throw new Error(`nothing matches ${selector}`);
  return element;
}

function group({ root }: Seen, label: string): Element {
  const found = [...root.querySelectorAll(".box.group")].find((one) => one.querySelector(".label")?.firstChild?.textContent === label);
  if (!found) throw new Error(`no group ${label}`);
  return found;
}

function labels({ root }: Seen): string[] {
  return [...root.querySelectorAll(".box.group .label")].map((label) => label.firstChild?.textContent ?? "");
}

/** Where the sign of a group is on the screen. */
function placeOf({ view, root }: Seen, label: string): [number, number] {
  const element = group({ view, root }, label);
  const [x = 0, y = 0] = (element.getAttribute("transform") ?? "").match(/-?[\d.]+/g)?.map(Number) ?? [];
  const inner = element.querySelector("g[transform]:not(.fold)")?.getAttribute("transform")?.match(/-?[\d.]+/g)?.map(Number) ?? [0, 0];
  const sign = element.querySelector(".fold .plate");
  const at = (name: string, from: number, by = 0): number => from + by + Number(sign?.getAttribute(name));
  const { x: vx, y: vy, k } = view.state.view.value;
  return [vx + k * at("x", x, inner[0]), vy + k * at("y", y, inner[1])];
}

function press(element: Element, key: string): void {
  element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, composed: true, cancelable: true }));
}

function click(element: Element): void {
  element.dispatchEvent(new MouseEvent("click", { bubbles: true, composed: true }));
}

beforeEach(() => {
  document.body.replaceChildren();
  // Without a motion all stands where it will stand.
  vi.stubGlobal("matchMedia", () => ({ matches: true, addEventListener: () => undefined }));
});
afterEach(() => {
  views.forEach((view) => view.remove());
  views = [];
  vi.unstubAllGlobals();
});

describe("which groups are open", () => {
  const scopes = new Scopes(pictureOfTree(treeOf(3)));
  const open = new Set(["g0"]);
  const labelled = (ids: ReadonlySet<string>): string[] => [...ids].map((id) => scopes.group(id)?.label ?? "").sort();

  test("a level more opens what is seen folded, a level less folds the innermost", () => {
    const more = levelMore(scopes, open);
    expect(labelled(more)).toEqual(["GPT", "h.0", "h.1", "h.2"]);
    expect(labelled(levelMore(scopes, more))).toHaveLength(10);
    expect(labelled(levelLess(scopes, more))).toEqual(["GPT"]);
    expect(labelled(levelLess(scopes, open))).toEqual([]);
    expect(levelLess(scopes, new Set()).size).toBe(0);
  });

  test("all alike are opened wherever they are, with all around them", () => {
    const attention = scopes.tree.groups.find(({ label }) => label === "attn");
    const all = unfoldedAlike(scopes, new Set(), attention?.id ?? "");
    expect(labelled(all)).toEqual(["GPT", "attn", "attn", "attn", "h.0", "h.1", "h.2"]);
  });

  test("what is in a folded group is seen as the outermost folded one", () => {
    const seen = scopes.seen(scopes.covers(open));
    const [box = ""] = scopes.tree.boxes.flatMap(({ id, label }) => (label === "gelu" ? [id] : []));
    expect(scopes.group(seen(box))?.label).toBe("h.0");
    const inner = unfoldedTo(scopes, open, box);
    expect(labelled(inner)).toEqual(["GPT", "h.0", "mlp"]);
    expect(scopes.seen(scopes.covers(inner))(box)).toBe(box);
    expect(scopes.group(scopes.seen(scopes.covers(toggled(inner, "g0")))(box))?.label).toBe("GPT");
  });

  test("a box is found in its folded group, and a group holds its boxes", () => {
    const picture = pictureOfTree(treeOf(3));
    const index = indexPicture(picture, scopesOf(picture), open);
    const [box] = index.scopes.tree.boxes.filter(({ label }) => label === "gelu");
    expect(index.at(box?.id ?? "").map(({ label }) => label)).toEqual(["h.0"]);
    expect(index.at("c999")).toEqual([]);
    expect(index.scopes.boxesIn("g1")).toHaveLength(8);
    expect(index.scopes.boxesIn("g0").length).toBe(index.scopes.tree.boxes.length - 1);
  });

  test("a picture without groups has nothing to fold", () => {
    const { forward } = payloadOf("linreg").pictures;
    expect(levelMore(scopesOf(forward), new Set()).size).toBe(0);
    expect(scopesOf(forward).slots.size).toBe(forward.boxes.length);
    expect(firstOpen(payloadOf("linreg")).size).toBe(0);
  });
});

describe("folding and unfolding in the view", () => {
  test("what was clicked stays where it is, and comes back as it was", () => {
    const seen = show();
    const before = placeOf(seen, "h.1");
    const sizes = seen.root.querySelectorAll("[data-box]").length;
    click(get(group(seen, "h.1"), ".fold .reach"));
    expect(labels(seen)).toEqual(expect.arrayContaining(["h.1", "attn", "mlp"]));
    expect(group(seen, "h.1").getAttribute("aria-expanded")).toBe("true");
    for (const i of [0, 1]) expect(placeOf(seen, "h.1")[i]).toBeCloseTo(before[i] ?? NaN, 0);
    expect(seen.view.state.selection.value).toBe(group(seen, "h.1").getAttribute("data-box"));
    click(get(group(seen, "h.1"), ".halo"));
    expect(group(seen, "h.1").getAttribute("aria-expanded")).toBe("false");
    for (const i of [0, 1]) expect(placeOf(seen, "h.1")[i]).toBeCloseTo(before[i] ?? NaN, 0);
    expect(seen.root.querySelectorAll("[data-box]")).toHaveLength(sizes);
  });

  test("a click selects a folded group, another one unfolds it", () => {
    const seen = show();
    click(get(group(seen, "h.0"), ".halo"));
    expect(get(seen.root, ".details h4").textContent).toContain("h.0");
    expect(group(seen, "h.0").classList).toContain("selected");
    expect(group(seen, "h.1").classList).toContain("alike");
    expect(labels(seen)).not.toContain("attn");
    click(get(group(seen, "h.0"), ".halo"));
    expect(labels(seen)).toContain("attn");
  });

  test("by keys: Enter on a group, x for the selected one, X as at first; the focus stays", () => {
    const seen = show();
    const { root, view } = seen;
    const block = group(seen, "h.0") as SVGElement;
    block.focus();
    view.state.cursor.value = block.getAttribute("data-box") ?? "";
    press(block, "Enter");
    expect(labels(seen)).toContain("attn");
    expect(root.activeElement).toBe(group(seen, "h.0"));
    press(group(seen, "h.0"), "x");
    expect(labels(seen)).not.toContain("attn");
    press(group(seen, "h.0"), "x");
    press(group(seen, "h.0"), "ArrowRight");
    expect(root.activeElement?.closest("[data-box]")).not.toBe(group(seen, "h.0"));
    view.state.selection.value = "";
    press(get(root, ".tabs button"), "X");
    expect(labels(seen).sort()).toEqual(["GPT", "h.0", "h.1", "h.2"]);
  });

  test("arrows reach every box and every header", () => {
    const picture = pictureOfTree(treeOf(2, ["GPT", "h.0", "attn"]));
    const open = firstOpen({ ...payloadOf("linreg"), pictures: { forward: picture, backward: picture } });
    const seen = show(treePayload(2, ["GPT", "h.0", "attn"]));
    const index = indexPicture(picture, scopesOf(picture), open);
    const reached = new Set([seen.view.state.cursor.value]);
    for (const id of reached) {
      for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]) {
        seen.view.state.cursor.value = id;
        press(get(seen.root, `[data-box="${id}"]`), key);
        reached.add(seen.view.state.cursor.value);
      }
    }
    expect([...reached].sort()).toEqual([...index.boxes.keys()].sort());
  });

  test("buttons unfold and fold a level", () => {
    const seen = show();
    const [more, less] = [get(seen.root, "[aria-label='Unfold one level']"), get(seen.root, "[aria-label='Fold one level']")];
    click(more);
    click(more);
    expect(more.hasAttribute("disabled")).toBe(true);
    expect(seen.view.state.open.value.size).toBe(10);
    click(less);
    expect(seen.view.state.open.value.size).toBe(4);
    const flat = show(payloadOf("linreg"));
    expect(get(flat.root, "[aria-label='Folding']").hidden).toBe(true);
  });

  test("what is selected in a fold is shown in its group, and unfolds from the details", () => {
    const payload = treePayload(3);
    const box = payload.pictures.forward.tree?.boxes.find(({ label }) => label === "@")?.id ?? "";
    payload.details[box] = { title: "matmul", subtitle: "", rows: [], findings: [] };
    const seen = show(payload);
    seen.view.state.selection.value = box;
    expect(group(seen, "h.0").classList).toContain("holds");
    const button = [...seen.root.querySelectorAll<HTMLElement>(".actions button")].find((one) => one.textContent?.includes("›"));
    expect(button?.textContent).toBe("Show it in GPT › h.0 › attn");
    button?.click();
    expect(get(seen.root, `[data-box="${box}"]`).classList).toContain("selected");
    expect(seen.root.querySelector(".holds")).toBeNull();
  });

  test("all alike unfold from the details of one of them", () => {
    const seen = show();
    click(get(group(seen, "h.2"), ".halo"));
    const button = [...seen.root.querySelectorAll<HTMLElement>(".actions button")].find((one) => one.textContent === "Unfold all 3 alike");
    button?.click();
    expect([...seen.view.state.open.value].sort()).toEqual(["g0", "g1", "g4", "g7"]);
  });

  test("what is unfolded stays so in another mode and another language", () => {
    const seen = show();
    click(get(group(seen, "h.0"), ".fold .reach"));
    seen.view.state.mode.value = "backward";
    expect(seen.root.querySelector("[data-box=n2]")).not.toBeNull();
    seen.view.state.mode.value = "both";
    expect(labels(seen)).toContain("attn");
    seen.view.state.lang.value = "es";
    expect(labels(seen)).toContain("attn");
  });

  test("a group is told to those who cannot see it", () => {
    const seen = show();
    const block = group(seen, "h.0");
    expect(block.getAttribute("aria-label")).toBe("h.0, Block, 12 kB kept");
    expect(block.getAttribute("aria-expanded")).toBe("false");
    expect(block.getAttribute("role")).toBe("button");
    expect(block.hasAttribute("aria-pressed")).toBe(false);
  });
});

test("the kernel is told of no group, and its answer does not take the selection away", () => {
  const state = newState(treePayload(1));
  const traits: Record<string, unknown> = { selection: "" };
  const callbacks: Record<string, () => void> = {};
  const set = (name: string, value: unknown): void => {
    traits[name] = value;
    callbacks[name]?.();
  };
  hub().models["run"] = { get: (name) => traits[name], set, on: (name, then) => ((callbacks[name] = then), () => undefined) };
  followLink("run", state);
  state.selection.value = "c3";
  expect(traits["selection"]).toBe("c3");
  state.selection.value = "g1";
  expect([traits["selection"], state.selection.value]).toEqual(["", "g1"]);
  set("selection", "t2");
  expect(state.selection.value).toBe("t2");
});
