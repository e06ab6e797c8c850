/// <reference types="vite/client" />
/** The recordings that Python's views are tested on, drawn by this half: what it shows must agree with the trace. */
import { afterEach, describe, expect, test } from "vitest";
import { mount, type Mounted } from "../../autograd_magics/front/mount";
import type { Payload, Picture } from "../../autograd_magics/front/payload";
import { withWords } from "./helpers";

const files = import.meta.glob<unknown>("../golden/*.json", { eager: true, import: "default" });
const cases = Object.keys(files).flatMap((path) => /([^/]+)\.trace\.json$/.exec(path)?.slice(1) ?? []);

interface Trace {
  calls: { name: string[] };
  nodes: { name: string[] };
  saved: { slot: string[] };
  tensors: { at: number[] };
  backwards: { at: number[] };
}

function read<T>(name: string): T {
  return files[`../golden/${name}`] as T;
}

const traceOf = (name: string): Trace => read<Trace>(`${name}.trace.json`);
const payloadOf = (name: string): Payload => withWords(read<Payload>(`${name}.payload.json`));

/** How many rows of each kind the trace has, by the first letter of their ids. */
function rows(trace: Trace): Record<string, number> {
  return {
    c: trace.calls.name.length,
    n: trace.nodes.name.length,
    s: trace.saved.slot.length,
    t: trace.tensors.at.length,
    b: trace.backwards.at.length,
  };
}

let view: Mounted | undefined;
afterEach(() => {
  view?.remove();
  view = undefined;
  document.body.replaceChildren();
});

function show(payload: Payload): ShadowRoot {
  const place = document.createElement("div");
  document.body.append(place);
  view = mount(place, payload, "");
  const root = place.querySelector(".agm-view")?.shadowRoot;
  if (!root) throw new Error("nothing was mounted");
  return root;
}

function drawn(root: ShadowRoot): string[] {
  return [...root.querySelectorAll<SVGElement>("svg.picture [data-box]")].map((box) => box.dataset["box"] ?? "");
}

test("there are recordings to read", () => {
  expect(cases.length).toBeGreaterThanOrEqual(9);
});

describe.each(cases)("%s", (name) => {
  test("every id in the payload is a row of the trace", () => {
    const [payload, sizes] = [payloadOf(name), rows(traceOf(name))];
    const pictures = Object.values(payload.pictures) as Picture[];
    const ids = pictures.flatMap((picture) => picture.boxes.map((box) => box.id.split("~")[0] ?? ""));
    ids.push(...Object.keys(payload.details), ...payload.saved.rows.map((row) => row.id));
    for (const id of ids) expect(Number(id.slice(1)), id).toBeLessThan(sizes[id.slice(0, 1)] ?? 0);
  });

  test("names of nodes and slots are those of the trace", () => {
    const [payload, trace] = [payloadOf(name), traceOf(name)];
    for (const row of payload.saved.rows) {
      expect(row.slot).toBe(trace.saved.slot[Number(row.id.slice(1))]);
      expect(row.node_name).toBe(trace.nodes.name[Number(row.node.slice(1))]);
    }
    for (const box of payload.pictures.backward.boxes) {
      const [id = ""] = box.id.split("~");
      if (id.startsWith("n")) expect(box.label).toContain(trace.nodes.name[Number(id.slice(1))]);
    }
  });

  test("every box of the picture is drawn, and can be selected", () => {
    const payload = payloadOf(name);
    const root = show(payload);
    const picture = payload.pictures.forward.boxes.length ? payload.pictures.forward : payload.pictures.backward;
    root.querySelector("svg.picture")?.dispatchEvent(new KeyboardEvent("keydown", { key: "0", bubbles: true }));
    expect(drawn(root).sort()).toEqual(picture.boxes.map((box) => box.id).sort());
    for (const id of drawn(root)) {
      if (view) view.state.selection.value = id.split("~")[0] ?? "";
      expect(root.querySelectorAll(".selected").length, id).toBeGreaterThan(0);
    }
  });

  test("the panels show every ledger, saved tensor and finding", () => {
    const payload = payloadOf(name);
    const root = show(payload);
    const texts: string[] = [];
    for (const tab of ["gradients", "saved", "findings"] as const) {
      if (view) view.state.tab.value = tab;
      texts.push(root.querySelector("[role=tabpanel]:not([hidden])")?.textContent ?? "");
    }
    for (const leaf of payload.gradients) expect(texts[0]).toContain(leaf.name);
    for (const row of payload.saved.rows) expect(texts[1]).toContain(row.node_name);
    for (const finding of payload.findings) expect(texts[2]).toContain(finding.code);
  });
});
