import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ticks } from "../../autograd_magics/front/draw/timeline";
import { mount, type Mounted } from "../../autograd_magics/front/mount";
import type { History, Payload } from "../../autograd_magics/front/payload";
import { indexPicture } from "../../autograd_magics/front/picture";
import { newState } from "../../autograd_magics/front/state";
import {
  advance, duration, endOf, findingsByItem, goTo, Looks, runningAt, textAt, timelineKey, toldItem, togglePlay, turnAt,
} from "../../autograd_magics/front/timeline";
import widget from "../../autograd_magics/front/widget";
import { boxAt, pictureOf, payloadOf, withWords } from "./helpers";
import steps from "./fixtures/steps.json";

/** Two iterations of a linear regression whose gradient is not zeroed in between: 25 events, a finding at the 24th. */
const payload = (): Payload => withWords(steps);
const END = 25;

function timelineOf(data: Payload): NonNullable<Payload["timeline"]> {
  if (!data.timeline) throw new Error("the fixture has no timeline");
  return data.timeline;
}

describe("moments", () => {
  test("begin at the end, and stay between the first and the end", () => {
    const [data, state] = [payload(), newState(payload())];
    expect([state.moment.value, endOf(data)]).toEqual([END, END]);
    goTo(data, state, -3);
    expect(state.moment.value).toBe(0);
    goTo(data, state, 99);
    expect(state.moment.value).toBe(END);
  });

  test("play from the beginning to the end, and stop there", () => {
    const [data, state] = [payload(), newState(payload())];
    togglePlay(data, state);
    expect([state.playing.value, state.moment.value]).toEqual([true, 0]);
    for (let i = 0; i < END - 1; i += 1) advance(data, state);
    expect([state.playing.value, state.moment.value]).toEqual([true, END - 1]);
    advance(data, state);
    expect([state.playing.value, state.moment.value]).toEqual([false, END]);
  });

  test("play on from where they stand, and going somewhere by hand stops that", () => {
    const [data, state] = [payload(), newState(payload())];
    goTo(data, state, 7);
    togglePlay(data, state);
    expect([state.playing.value, state.moment.value]).toEqual([true, 7]);
    togglePlay(data, state);
    expect(state.playing.value).toBe(false);
    togglePlay(data, state);
    goTo(data, state, 3);
    expect(state.playing.value).toBe(false);
  });

  test("last as long as the speed says", () => {
    const state = newState(payload());
    state.speed.value = 4;
    expect(duration(state)).toBe(250);
  });

  test.each([[",", 6], [".", 8], ["Home", 0], ["End", END]])("the key %s leads from 7 to %i", (key, to) => {
    const [data, state] = [payload(), newState(payload())];
    goTo(data, state, 7);
    timelineKey(data, state, key)?.();
    expect(state.moment.value).toBe(to);
  });

  test("other keys, and keys without a timeline, do nothing", () => {
    const data = payload();
    expect(timelineKey(data, newState(data), "toString")).toBeNull();
    const old = payloadOf("linreg");
    delete old.timeline;
    expect([timelineKey(old, newState(old), "."), endOf(old)]).toEqual([null, 0]);
  });
});

describe("histories", () => {
  const history: History = [[2, "a"], [5, "b"], [9, ""]];

  test.each([[0, ""], [1, ""], [2, "a"], [4, "a"], [5, "b"], [8, "b"], [9, ""], [99, ""]])("at %i", (moment, text) => {
    expect(textAt(history, moment)).toBe(text);
  });

  test("the turn before the first is none", () => {
    expect([turnAt(history, 1), turnAt(history, 2), turnAt([], 3)]).toEqual([-1, 0, -1]);
  });

  test("a backward runs from its beginning to its last step", () => {
    const timeline = timelineOf(payload());
    expect([6, 7, 12, 13, 18, 23, 24].map((moment) => runningAt(timeline, moment))).toEqual(
      [null, 7, 7, null, 18, 18, null],
    );
  });
});

describe("looks", () => {
  const make = (): Looks => {
    const data = payload();
    const timeline = timelineOf(data);
    return new Looks(indexPicture(data.pictures.forward), timeline, timeline.pictures.forward, findingsByItem(data));
  };
  const none = new Set<string>();

  test("a box is there from its call on, a wire when both its ends are", () => {
    const looks = make();
    expect([4, 5].map((moment) => looks.at("c5", moment, none).later)).toEqual([true, false]);
    const wire = payload().pictures.forward.wires.find(({ to }) => to === "c5");
    expect([4, 5].map((moment) => looks.at(wire?.id ?? "", moment, none).later)).toEqual([true, false]);
  });

  test("the gradient is there when the step that sends it has run, and fresh only then", () => {
    const looks = make();
    const at = (moment: number): unknown[] => {
      const { below, fresh } = looks.at("t4", moment, none);
      return [below, fresh];
    };
    expect([8, 9, 10].map(at)).toEqual([["", false], [null, true], [null, false]]);
  });

  test(".grad under a leaf changes until its part of the picture has had its backward", () => {
    const looks = make();
    expect([13, 22, 23].map((moment) => looks.at("t8", moment, none).below)).toEqual(["grad [−28]", "grad [−28]", null]);
  });

  test("a call keeps its tensors until its node has run", () => {
    const looks = make();
    expect([4, 5, 8, 9].map((moment) => looks.at("c5", moment, none).kept)).toEqual(["", "kept", "kept", "freed"]);
  });

  test("the present event is the first of its items that is drawn", () => {
    const looks = make();
    expect([5, 9, 12, 13].map((moment) => [...looks.current(moment)])).toEqual([["c5"], ["c5"], ["t2"], ["t8"]]);
    expect(looks.current(END).size).toBe(0);
  });

  test("of a leaf that is drawn several times the present is where something changes", () => {
    const data = payload();
    const boxes = [boxAt("t2", 0, 0), boxAt("t2~2", 50, 0, { ghost_of: "t2" })];
    const times = { born: [0, 0], below: { 1: [[12, "1"]] as History }, kept: {} };
    const looks = new Looks(indexPicture(pictureOf(boxes)), timelineOf(data), times, new Map());
    expect([...looks.current(12)]).toEqual(["t2~2"]);
  });

  test("a sign stands on a box from the moment of the finding on", () => {
    const looks = make();
    expect([22, 23].map((moment) => looks.at("t8", moment, none).innocent)).toEqual([true, false]);
  });

  test("between two moments only what turned there differs", () => {
    const looks = make();
    expect([...(looks.between(4, 5) ?? [])].filter((id) => !id.startsWith("w")).sort()).toEqual(["c4", "c5", "t4", "t5"]);
    expect(looks.between(5, 4)).toEqual(looks.between(4, 5));
    expect(looks.between(4, END)).toBeNull();
  });

  test("what differs is never more than what is said to", () => {
    const looks = make();
    const ids = payload().pictures.forward.boxes.map(({ id }) => id);
    for (let moment = 1; moment < END; moment += 1) {
      const changed = looks.between(moment - 1, moment) ?? new Set(ids);
      const look = (id: string, when: number): string => JSON.stringify(looks.at(id, when, looks.current(when)));
      for (const id of ids) if (!changed.has(id)) expect(look(id, moment), `${id} at ${moment}`).toBe(look(id, moment - 1));
    }
  });
});

test("details are told of the present event while nothing is selected", () => {
  const [data, state] = [payload(), newState(payload())];
  expect(toldItem({ payload: data, state })).toBe("");
  goTo(data, state, 9);
  expect(toldItem({ payload: data, state })).toBe("n3");
  state.selection.value = "t2";
  expect(toldItem({ payload: data, state })).toBe("t2");
});

test("the events of a kind are one path", () => {
  expect(ticks("ffbf", "f", 0, 5).match(/M/g)).toHaveLength(3);
  expect(ticks("ffbf", "x", 0, 5)).toBe("");
});

describe("in the page", () => {
  let view: Mounted | undefined;

  function show(data: Payload = payload()): { view: Mounted; root: ShadowRoot } {
    const place = document.createElement("div");
    document.body.append(place);
    view = mount(place, data, "");
    const root = place.querySelector(".agm-view")?.shadowRoot;
    if (!root) throw new Error("nothing was mounted");
    return { view, root };
  }

  function get(root: ParentNode, selector: string): HTMLElement {
    const element = root.querySelector<HTMLElement>(selector);
    if (!element) throw new Error(`nothing matches ${selector}`);
    return element;
  }

  function press(element: Element, key: string): KeyboardEvent {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, composed: true, cancelable: true });
    element.dispatchEvent(event);
    return event;
  }

  beforeEach(() => document.body.replaceChildren());
  afterEach(() => {
    view?.remove();
    vi.useRealTimers();
  });

  test("the end is the same before and after a way through it", () => {
    const { view, root } = show();
    const marks = (): string => get(root, ".main").outerHTML.replace(/ (data-now|class|aria-live|title)="[^"]*"/g, "");
    for (const tab of ["gradients", "saved", "source", "details"] as const) view.state.tab.value = tab;
    const before = marks();
    const classes = [...root.querySelectorAll(".later, .current, .running, .fresh, .innocent, .keeps, .before-grad")];
    expect(classes).toHaveLength(0);
    for (const moment of [0, 9, 12, 24, 3, END]) view.state.moment.value = moment;
    expect(marks()).toBe(before);
    expect(root.querySelectorAll(".later, .current, .running, .fresh, .innocent, .keeps, .before-grad")).toHaveLength(0);
  });

  test("the picture is that of the moment", () => {
    const { view, root } = show();
    view.state.moment.value = 9;
    const box = (id: string): HTMLElement => get(root, `[data-box=${id}]`);
    expect(box("c5").classList).toContain("current");
    expect(get(box("t4"), ".grad").textContent).toBe("[0 −2 −4 −6]");
    expect(get(box("t3"), ".grad").textContent).toBe("");
    expect(get(box("c5"), ".keeps").classList).toContain("freed");
    expect(get(box("c3"), ".keeps").classList).toContain("kept");
    expect(box("c8").classList).toContain("later");
    expect(get(root, "svg.picture").dataset["now"]).toBe("s");
  });

  test("so are the ledger, the saved tensors and the code", () => {
    const { view, root } = show();
    view.state.moment.value = 9;
    view.state.tab.value = "gradients";
    expect(root.querySelectorAll("tr.change:not(.later)")).toHaveLength(0);
    expect(get(root, ".now code").textContent).toBe("None");
    view.state.moment.value = 13;
    expect(root.querySelectorAll("tr.change:not(.later)")).toHaveLength(2);
    expect(get(root, "tr.change.current").textContent).toContain("optimizer");
    expect(get(root, ".now code").textContent).toBe("[−28]");
    view.state.moment.value = 9;
    view.state.tab.value = "saved";
    expect(get(root, ".total").textContent).toBe("kept now: 16 B in 1 tensor");
    expect([...root.querySelectorAll(".row:not(.later) .state")].map((one) => one.textContent)).toEqual(
      ["kept", "freed by line 9"],
    );
    view.state.tab.value = "source";
    expect(get(root, ".sources .mark.current").textContent).toBe("e.pow(2)");
    expect(get(root, ".sources .mark.running").textContent).toBe("J.backward()");
    expect(get(root, ".sources [data-item='L0:7'] .notes").textContent).toContain("MulB, SubB");
  });

  test("details tell of the event, without what comes later", () => {
    const { view, root } = show();
    view.state.moment.value = 9;
    expect(get(root, ".details h4").textContent).toContain("PowBackward0");
    expect(get(root, ".details .mark.current").textContent).toBe("e.pow(2)");
    view.state.selection.value = "t2";
    const shown = (): string => [...root.querySelectorAll(".kv > dd:not(.later)")].map((dd) => dd.textContent).join("|");
    expect(shown()).not.toContain("−28");
    view.state.moment.value = 12;
    expect(shown()).toContain("[−28]");
    expect(shown()).not.toContain("−20.16");
    view.state.moment.value = END;
    expect(shown()).toContain("−20.16");
  });

  test("the slider says what happens, and moves with the keys", () => {
    const { view, root } = show();
    const slider = get(root, ".track input") as HTMLInputElement;
    expect([slider.max, slider.value]).toEqual([String(END), String(END)]);
    slider.value = "9";
    slider.dispatchEvent(new Event("input"));
    expect(slider.getAttribute("aria-valuetext")).toMatch(/^backward through PowBackward0: came in \[1 1 1 1\], rule/);
    expect(get(root, ".caption").textContent).toBe(slider.getAttribute("aria-valuetext"));
    expect(get(root, ".place").textContent).toBe("10 / 25");
    expect(press(slider, ".").defaultPrevented).toBe(true);
    expect([view.state.moment.value, slider.value]).toEqual([10, "10"]);
  });

  test("the space bar plays, but presses a button that has the focus", () => {
    const { view, root } = show();
    press(get(root, ".track input"), " ");
    expect(view.state.playing.value).toBe(true);
    expect(press(get(root, ".tabs button"), " ").defaultPrevented).toBe(false);
    expect(view.state.playing.value).toBe(true);
    press(get(root, ".track input"), " ");
    expect(view.state.playing.value).toBe(false);
    press(get(root, "[data-box=c5]"), " ");
    expect(view.state.playing.value).toBe(false);
  });

  test("it plays by itself, at the speed that was chosen, until it is taken away", () => {
    vi.useFakeTimers();
    const { view, root } = show();
    get(root, ".tool.play").click();
    expect(get(root, ".tool.play").getAttribute("aria-label")).toContain("Pause");
    expect(get(root, ".caption").getAttribute("aria-live")).toBe("off");
    vi.advanceTimersByTime(2000);
    expect(view.state.moment.value).toBe(2);
    const speed = get(root, ".pace select") as HTMLSelectElement;
    speed.value = "8";
    speed.dispatchEvent(new Event("change"));
    vi.advanceTimersByTime(500);
    expect(view.state.moment.value).toBe(6);
    view.remove();
    vi.advanceTimersByTime(5000);
    expect(view.state.moment.value).toBe(6);
  });

  test("the track bears iterations and findings", () => {
    const { view, root } = show();
    expect([...root.querySelectorAll(".round")].map((one) => one.textContent)).toEqual(["1", "2"]);
    const alarm = get(root, ".alarm");
    expect(alarm.title).toContain("AG202");
    alarm.click();
    expect(view.state.moment.value).toBe(23);
  });

  test("what is left out is marked", () => {
    const data = payload();
    timelineOf(data).gap = [12, "9 steps are left out here"];
    expect(get(show(data).root, ".strip .gap").title).toBe("9 steps are left out here");
  });

  test("rows that are asked for later are of the moment too", () => {
    const data = payload();
    const ledger = data.gradients[0];
    const row = ledger?.rows[0];
    if (!ledger || !row) throw new Error("the fixture has no rows");
    ledger.rows = Array.from({ length: 80 }, () => row);
    timelineOf(data).ledgers[0] = { rows: ledger.rows.map((_, i) => (i < 70 ? 0 : 20)), now: [] };
    const { view, root } = show(data);
    view.state.tab.value = "gradients";
    view.state.moment.value = 5;
    get(root, ".ledgers .more").click();
    expect(root.querySelectorAll("tr.change")).toHaveLength(80);
    expect(root.querySelectorAll("tr.change.later")).toHaveLength(10);
  });

  test("the widget's trait and the moment are the same, None being the end", () => {
    const values: Record<string, unknown> = { payload: payload(), selection: "", tab: "details", theme: "auto", moment: 4 };
    const listeners: Record<string, () => void> = {};
    const model = {
      get: (name: string) => values[name],
      set: (name: string, value: unknown) => void (values[name] = value),
      save_changes: () => undefined,
      on: (event: string, callback: () => void) => void (listeners[event] = callback),
      off: () => undefined,
    };
    const el = document.createElement("div");
    document.body.append(el);
    const close = widget.render({ model, el });
    const root = el.querySelector(".agm-view")?.shadowRoot;
    if (!root) throw new Error("nothing was mounted");
    const slider = get(root, ".track input") as HTMLInputElement;
    expect(slider.value).toBe("4");
    press(slider, ".");
    expect(values["moment"]).toBe(5);
    press(slider, "End");
    expect(values["moment"]).toBeNull();
    values["moment"] = 9;
    listeners["change:moment"]?.();
    expect(slider.value).toBe("9");
    close();
  });

  test("a payload without a timeline has no bar", () => {
    const old = payloadOf("linreg");
    delete old.timeline;
    const { view, root } = show(old);
    expect(root.querySelector(".timeline")).toBeNull();
    expect(press(get(root, ".tabs button"), ".").defaultPrevented).toBe(false);
    expect(view.end).toBe(0);
  });
});
