import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { mount, type Mounted } from "../../autograd_magics/front/mount";
import { payloadOf } from "./helpers";

let views: Mounted[] = [];

function show(name: "linreg" | "loop" | "failed"): { view: Mounted; root: ShadowRoot; host: HTMLElement } {
  const place = document.createElement("div");
  document.body.append(place);
  const view = mount(place, payloadOf(name), ".widget{}");
  views.push(view);
  const host = place.querySelector<HTMLElement>(".agm-view");
  if (!host?.shadowRoot) throw new Error("nothing was mounted");
  return { view, root: host.shadowRoot, host };
}

function get(root: ShadowRoot | Element, selector: string): HTMLElement {
  const element = root.querySelector<HTMLElement>(selector);
  if (!element) throw new Error(`nothing matches ${selector}`);
  return element;
}

function press(element: Element, key: string, more: KeyboardEventInit = {}): KeyboardEvent {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, composed: true, cancelable: true, ...more });
  element.dispatchEvent(event);
  return event;
}

function click(element: Element): void {
  element.dispatchEvent(new MouseEvent("click", { bubbles: true, composed: true }));
}

beforeEach(() => document.body.replaceChildren());
afterEach(() => {
  views.forEach((view) => view.remove());
  views = [];
});

describe("selection", () => {
  test("a click on a box tells about it in the panel and marks its line", () => {
    const { view, root } = show("linreg");
    click(get(root, "[data-box=c2] .halo"));
    expect(view.state.selection.value).toBe("c2");
    expect(get(root, ".details h4").textContent).toContain("PowBackward0");
    expect(get(root, ".details .line.related code").textContent).toBe("e2 = e.pow(2)");
    expect(get(root, ".details .mark.selected").textContent).toBe("e.pow(2)");
    expect(get(root, "[role=status]").textContent).toContain("PowBackward0");
  });

  test("a click on the ground clears it, Escape too", () => {
    const { view, root } = show("linreg");
    view.state.selection.value = "c2";
    click(get(root, "svg.picture"));
    expect(view.state.selection.value).toBe("");
    view.state.selection.value = "c2";
    press(get(root, "[data-box=c2]"), "Escape");
    expect(view.state.selection.value).toBe("");
  });

  test("links in panels select, and mark the graph", () => {
    const { view, root } = show("linreg");
    view.state.tab.value = "findings";
    click(get(root, ".findings [data-go=t1]"));
    expect(view.state.selection.value).toBe("t1");
    expect(get(root, "[data-box=t1]").classList).toContain("selected");
    click(get(root, ".findings .finding p"));
    expect(view.state.selection.value).toBe("f0");
    expect(get(root, "[data-box=t1]").classList).toContain("related");
    expect(get(root, ".findings .finding").classList).toContain("selected");
  });

  test("a box with something to say in the open tab does not leave it, another leads to its details", () => {
    const { view, root } = show("linreg");
    view.state.tab.value = "saved";
    click(get(root, "[data-box=c2]"));
    expect(view.state.tab.value).toBe("saved");
    expect(get(root, ".rows .related").textContent).toContain("PowBackward0");
    click(get(root, "[data-box=c1]"));
    expect(view.state.tab.value).toBe("details");
  });

  test("every item of the payload can be selected in every tab", () => {
    for (const name of ["linreg", "loop", "failed"] as const) {
      const { view, root } = show(name);
      const { details, findings, saved, source } = payloadOf(name);
      const lines = source.flatMap(({ lines }) => lines.map(({ id }) => id));
      const rows = [...findings, ...saved.rows].map((row) => row.id);
      for (const item of [...Object.keys(details), ...rows, ...lines]) {
        view.state.selection.value = item;
        expect(get(root, ".details").textContent?.length).toBeGreaterThan(3);
      }
    }
  });
});

describe("keys", () => {
  test("arrows walk the graph, which is one tab stop, and Enter selects", () => {
    const { view, root } = show("linreg");
    expect(root.querySelectorAll("[data-box][tabindex='0']")).toHaveLength(1);
    get(root, "[data-box=t0]").focus();
    expect(press(get(root, "[data-box=t0]"), "ArrowRight").defaultPrevented).toBe(true);
    expect(root.activeElement?.getAttribute("data-box")).toBe("c0");
    expect(root.querySelectorAll("[data-box][tabindex='0']")).toHaveLength(1);
    press(get(root, "[data-box=c0]"), "Enter");
    expect(view.state.selection.value).toBe("c0");
  });

  test("do not reach the notebook, and those that are the browser's are left alone", () => {
    const { root, host } = show("linreg");
    const leaked = vi.fn();
    document.addEventListener("keydown", leaked);
    press(get(root, "[data-box=c2]"), "d");
    press(get(root, ".find input"), "x");
    document.removeEventListener("keydown", leaked);
    expect(leaked).not.toHaveBeenCalled();
    expect(host.getAttribute("data-lm-suppress-shortcuts")).toBe("true");
    expect(press(get(root, "[data-box=c2]"), "f", { ctrlKey: true }).defaultPrevented).toBe(false);
  });

  test("the focus stays on a box that is clicked, and in the graph when its picture changes", () => {
    const { root } = show("linreg");
    const box = get(root, "[data-box=c2]");
    box.focus();
    click(box);
    expect(root.activeElement).toBe(box);
    press(box, "b");
    expect(root.activeElement?.getAttribute("data-box")).toBe("n3");
  });

  test("change mode, tab and zoom", () => {
    const { view, root } = show("linreg");
    const box = get(root, ".tabs button");
    press(box, "f");
    expect(view.state.mode.value).toBe("forward");
    press(box, "b");
    expect(get(root, ".modes [aria-pressed=true]").textContent).toBe("Backward");
    press(box, "3");
    expect(view.state.tab.value).toBe("saved");
    const before = view.state.view.value.k;
    press(box, "+");
    expect(view.state.view.value.k).toBeGreaterThan(before);
  });

  test("typing in the search box is not a command", () => {
    const { view, root } = show("linreg");
    press(get(root, ".find input"), "b");
    expect(view.state.mode.value).toBe("both");
    press(get(root, ".tabs button"), "/");
    expect(root.activeElement).toBe(get(root, ".find input"));
  });

  test("tabs are walked by arrows", () => {
    const { view, root } = show("linreg");
    press(get(root, "[role=tab][aria-selected=true]"), "ArrowRight");
    expect(view.state.tab.value).toBe("gradients");
    const shown = root.querySelectorAll("[role=tabpanel]:not([hidden])");
    expect(shown).toHaveLength(1);
    expect(shown[0]?.getAttribute("aria-labelledby")).toBe(root.activeElement?.id);
  });

  test("the source is one tab stop, its marks are walked by arrows", () => {
    const { view, root } = show("linreg");
    view.state.tab.value = "source";
    const lines = get(root, ".sources .lines");
    expect(lines.querySelectorAll("[tabindex='0']")).toHaveLength(1);
    press(get(lines, ".n"), "End");
    expect((root.activeElement as HTMLElement).dataset.item).toBe("b0");
    press(root.activeElement as Element, "Enter");
    expect(view.state.selection.value).toBe("b0");
  });
});

describe("find", () => {
  test("marks what matches, and Enter goes from one to the next and round", () => {
    const { view, root } = show("linreg");
    const input = get(root, ".find input") as HTMLInputElement;
    input.value = "y_pred";
    input.dispatchEvent(new Event("input"));
    expect(root.querySelectorAll(".box.found")).toHaveLength(2);
    expect(get(root, "[data-box=t6]").classList).toContain("missed");
    const seen = ["Enter", "Enter", "Enter"].map((key) => {
      press(input, key);
      return view.state.selection.value;
    });
    expect(seen).toEqual(["t3", "c1", "t3"]);
    expect(get(root, ".find .count").textContent).toBe("1/2");
    press(input, "Enter", { shiftKey: true });
    expect(view.state.selection.value).toBe("c1");
    press(input, "Escape");
    expect(input.value).toBe("");
    expect(root.querySelectorAll(".missed")).toHaveLength(0);
  });
});

describe("popups", () => {
  test("the list of keys opens, has the focus, and Escape closes it without clearing the selection", () => {
    const { view, root } = show("linreg");
    view.state.selection.value = "c2";
    press(get(root, ".tabs button"), "?");
    const help = get(root, ".help");
    expect(help.hidden).toBe(false);
    press(help, "Escape");
    expect(help.hidden).toBe(true);
    expect(view.state.selection.value).toBe("c2");
  });

  test("the export menu offers files that hold the picture and the data", async () => {
    const { root } = show("linreg");
    const files: Blob[] = [];
    const names: string[] = [];
    URL.createObjectURL = (file) => `blob:${files.push(file as Blob)}`;
    URL.revokeObjectURL = () => undefined;
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
      names.push(this.download);
    });
    for (const entry of root.querySelectorAll<HTMLElement>(".menu button")) entry.click();
    expect(names).toEqual(["autograd_In_5.svg", "autograd_In_5.json"]);
    const [svg, json] = await Promise.all(files.map(read));
    const picture = new DOMParser().parseFromString(svg ?? "", "image/svg+xml");
    expect(picture.querySelector("parsererror")).toBeNull();
    expect(picture.querySelectorAll("text").length).toBeGreaterThan(15);
    expect(svg).not.toMatch(/class=|data-|tabindex/);
    expect(picture.querySelector(".halo, [fill=transparent]")).toBeNull();
    expect(JSON.parse(json ?? "")).toMatchObject({ format: 1, cell: "In [5]" });
    expect(root.querySelector(".aside")).toBeNull();
  });
});

function read(file: Blob): Promise<string> {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.readAsText(file);
  });
}

describe("in the page", () => {
  test("two views do not disturb each other", () => {
    const [one, two] = [show("linreg"), show("loop")];
    click(get(one.root, "[data-box=c2]"));
    expect(two.view.state.selection.value).toBe("");
    const ids = [one, two].map(({ root }) => get(root, "[role=tab]").id);
    expect(ids[0]).not.toBe(ids[1]);
  });

  test.each([
    [360, "widget narrow folding compact tiny", false],
    [700, "widget narrow folding", false],
    [900, "widget compact", true],
    [1200, "widget", true],
  ])("looks right for a width of %i px", (width, classes, open) => {
    vi.spyOn(Element.prototype, "clientWidth", "get").mockReturnValue(width);
    const { root } = show("linreg");
    expect(get(root, ".widget").className).toBe(classes);
    expect((get(root, "details.legend") as HTMLDetailsElement).open).toBe(open);
  });

  test("a view that is removed leaves nothing and reacts to nothing", () => {
    const { view, root, host } = show("linreg");
    view.remove();
    expect(host.isConnected).toBe(false);
    const before = get(root, ".details").textContent;
    view.state.selection.value = "c2";
    expect(get(root, ".details").textContent).toBe(before);
  });

  test("what matters stands above all, what could be asked for below", () => {
    const place = document.createElement("div");
    const told = { notices: ["`2` calls were not recorded"], hints: ["`details = 9` gives all"] };
    views.push(mount(place, { ...payloadOf("linreg"), ...told }, ""));
    const root = place.querySelector(".agm-view")?.shadowRoot as ShadowRoot;
    const parts = [...get(root, ".widget").children].map((part) => part.className);
    expect(parts.filter((name) => /notices|main|hints/.test(name))).toEqual(["notices", "main", "hints"]);
    expect(get(root, ".hints li").textContent).toBe("details = 9 gives all");
    expect(show("linreg").root.querySelector(".hints, .notices")).toBeNull();
  });

  test("what cannot be drawn is refused and leaves nothing", () => {
    const place = document.createElement("div");
    expect(() => mount(place, { format: 9 }, "")).toThrow("format 9");
    expect(place.childElementCount).toBe(0);
  });
});

describe("theme", () => {
  afterEach(() => {
    delete document.body.dataset.jpThemeLight;
    document.documentElement.removeAttribute("theme");
    document.body.style.background = "";
  });

  test("is the notebook's, and follows it", async () => {
    document.body.dataset.jpThemeLight = "false";
    const { host } = show("linreg");
    expect(host.dataset.theme).toBe("dark");
    document.body.dataset.jpThemeLight = "true";
    await vi.waitFor(() => expect(host.dataset.theme).toBe("light"));
  });

  test("is read from Colab and from the background", () => {
    document.documentElement.setAttribute("theme", "dark");
    expect(show("linreg").host.dataset.theme).toBe("dark");
    document.documentElement.removeAttribute("theme");
    document.body.style.background = "rgb(20, 20, 30)";
    expect(show("linreg").host.dataset.theme).toBe("dark");
  });

  test("can be forced", () => {
    document.body.dataset.jpThemeLight = "false";
    const { view, host } = show("linreg");
    view.setTheme("light");
    expect(host.dataset.theme).toBe("light");
    expect(host.hasAttribute("data-page")).toBe(false);
    view.setTheme("auto");
    expect(host.dataset.theme).toBe("dark");
  });
});
