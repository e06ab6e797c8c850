import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import bridge from "../../autograd_magics/front/bridge";
import type { Model } from "../../autograd_magics/front/hub";
import { payloadOf } from "./helpers";

class FakeModel implements Model {
  saves = 0;
  readonly #listeners = new Map<string, Set<() => void>>();
  constructor(readonly traits: Record<string, unknown>) {}
  get(name: string): unknown {
    return this.traits[name];
  }
  set(name: string, value: unknown): void {
    this.traits[name] = value;
    this.#listeners.get(`change:${name}`)?.forEach((callback) => callback());
  }
  save_changes(): void {
    this.saves += 1;
  }
  on(event: string, callback: () => void): void {
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(callback));
  }
  off(event: string, callback: () => void): void {
    this.#listeners.get(event)?.delete(callback);
  }
  get listening(): number {
    return [...this.#listeners.values()].reduce((sum, callbacks) => sum + callbacks.size, 0);
  }
}

async function packed(data: unknown): Promise<string> {
  const body = new Response(JSON.stringify(data)).body;
  const bytes = await new Response(body?.pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}

function output(run: string, blob: string): HTMLElement {
  const root = document.createElement("div");
  root.className = "agm";
  root.dataset.agm = run;
  const fixed = document.createElement("div");
  fixed.className = "agm-static";
  const data = document.createElement("script");
  data.type = "application/octet-stream";
  data.className = "agm-data";
  data.textContent = blob;
  root.append(fixed, data);
  document.body.append(root);
  return root;
}

/** Runs the bundle's entry once more, as each output on a page does. */
async function runApp(): Promise<void> {
  vi.resetModules();
  await import("../../autograd_magics/front/app");
}

function ready(root: HTMLElement, state: string): Promise<void> {
  return vi.waitFor(() => expect(root.dataset.ready).toBe(state));
}

function boxes(root: Element): NodeListOf<Element> {
  return (root.querySelector(".agm-view")?.shadowRoot ?? root).querySelectorAll("[data-box]");
}

beforeEach(() => {
  document.body.replaceChildren();
  globalThis.__autograd_magics = undefined;
});

describe("the HTML output", () => {
  test("is drawn in the place of its static part, once, however often the script runs", async () => {
    const blob = await packed(payloadOf("linreg"));
    const [one, two] = [output("11aa", blob), output("11aa", blob)];
    await runApp();
    await runApp();
    await ready(one, "1");
    await ready(two, "1");
    for (const root of [one, two]) {
      expect(root.querySelectorAll(".agm-view")).toHaveLength(1);
      expect(boxes(root).length).toBe(11);
      expect(root.querySelector<HTMLElement>(".agm-static")?.hidden).toBe(true);
    }
  });

  test.each([
    ["no base64", "%%%"],
    ["no deflate", btoa("hello")],
  ])("keeps its static part where there is %s", async (_, blob) => {
    const error = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const root = output("22bb", blob);
    await runApp();
    await ready(root, "failed");
    expect(root.querySelector<HTMLElement>(".agm-static")?.hidden).toBe(false);
    expect(root.querySelector(".agm-view")).toBeNull();
    expect(error).toHaveBeenCalledOnce();
  });

  test("keeps its static part where the payload is from a newer version", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const root = output("22bb", await packed({ ...payloadOf("linreg"), format: 2 }));
    await runApp();
    await ready(root, "failed");
    expect(root.querySelector<HTMLElement>(".agm-static")?.hidden).toBe(false);
  });
});

describe("the live link", () => {
  async function shown(): Promise<ShadowRoot> {
    const root = output("11aa", await packed(payloadOf("linreg")));
    await runApp();
    await ready(root, "1");
    return root.querySelector(".agm-view")?.shadowRoot as ShadowRoot;
  }
  const click = (root: ShadowRoot, box: string): void => {
    root.querySelector(`[data-box=${box}]`)?.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  };

  test.each(["before", "after"])("works both ways when the bridge comes %s the view", async (when) => {
    const model = new FakeModel({ run: "11aa", selection: "" });
    let close = when === "before" ? bridge.initialize({ model }) : (): void => undefined;
    const root = await shown();
    if (when === "after") close = bridge.initialize({ model });
    const live = root.querySelector<HTMLElement>(".live");
    expect(live?.hidden).toBe(false);
    click(root, "c2");
    expect(model.traits.selection).toBe("c2");
    expect(model.saves).toBe(1);
    model.set("selection", "t1");
    expect(root.querySelector("[data-box=t1]")?.classList).toContain("selected");
    close();
    expect(live?.hidden).toBe(true);
    expect(model.listening).toBe(0);
    click(root, "c1");
    expect(model.traits.selection).toBe("t1");
  });

  test("a bridge of another run is not ours", async () => {
    bridge.initialize({ model: new FakeModel({ run: "other", selection: "c1" }) });
    const root = await shown();
    expect(root.querySelector<HTMLElement>(".live")?.hidden).toBe(true);
    expect(root.querySelector(".selected")).toBeNull();
  });
});

describe("the widget", () => {
  type Shown = { model: FakeModel; el: HTMLElement; close: () => void };
  async function shown(traits: Record<string, unknown>): Promise<Shown> {
    const { default: widget } = await import("../../autograd_magics/front/widget");
    const usual = { payload: payloadOf("linreg"), selection: "", theme: "auto", tab: "details" };
    const model = new FakeModel({ ...usual, ...traits });
    const el = document.createElement("div");
    document.body.append(el);
    return { model, el, close: widget.render({ model, el }) };
  }
  const root = (el: HTMLElement): ShadowRoot => el.querySelector(".agm-view")?.shadowRoot as ShadowRoot;

  test("begins with the model's traits and keeps selection and tab in them", async () => {
    const { model, el } = await shown({ selection: "c2", theme: "dark", tab: "saved" });
    expect(root(el).querySelector("[data-box=c2]")?.classList).toContain("selected");
    expect(el.querySelector<HTMLElement>(".agm-view")?.dataset.theme).toBe("dark");
    expect(root(el).querySelector("[aria-selected=true]")?.textContent).toBe("Saved");
    expect(model.saves).toBe(0);
    root(el).querySelector("[data-box=c1]")?.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    expect(model.traits).toMatchObject({ selection: "c1", tab: "details" });
    model.set("tab", "source");
    model.set("theme", "light");
    model.set("selection", "t1");
    expect(root(el).querySelector("[aria-selected=true]")?.textContent).toBe("Source");
    expect(el.querySelector<HTMLElement>(".agm-view")?.dataset.theme).toBe("light");
    expect(root(el).querySelector("[data-box=t1]")?.classList).toContain("selected");
  });

  test("draws a new payload in the place of the old, and cleans up", async () => {
    const { model, el, close } = await shown({});
    model.set("payload", payloadOf("loop"));
    expect(el.querySelectorAll(".agm-view")).toHaveLength(1);
    expect(boxes(el).length).toBe(20);
    close();
    expect(el.childElementCount).toBe(0);
    expect(model.listening).toBe(0);
  });

  test("does not take nonsense from its traits", async () => {
    const { el } = await shown({ tab: "nowhere", theme: "pink", selection: null });
    expect(root(el).querySelector("[aria-selected=true]")?.textContent).toBe("Details");
    expect(root(el).querySelector(".selected")).toBeNull();
  });
});

afterEach(() => void (globalThis.__autograd_magics = undefined));
