// @vitest-environment jsdom
import { expect, test } from "vitest";
import { drawHealth, drawHealthToggle, healthEntries, healthLooks, sorted } from "../../autograd_magics/front/draw/health";
import { drawGradients } from "../../autograd_magics/front/draw/gradients";
import { colourOf, lookOf, shortNumber, sizeOfWire } from "../../autograd_magics/front/health";
import type { Context } from "../../autograd_magics/front/context";
import type { Health, HealthRow, HealthTable } from "../../autograd_magics/front/payload";
import { indexPicture } from "../../autograd_magics/front/picture";
import { drawBox, drawWire } from "../../autograd_magics/front/draw/box";
import { boxAt, contextOf, payloadOf, pictureOf } from "./helpers";

const row = (name: string, grad: number | null, odd: number, size: HealthRow["size"]): HealthRow => {
  const cells = [name, "[2, 2]", grad === null ? "" : String(grad), odd ? `⚠ ${odd} NaN` : "0"];
  return { id: name === "b" ? null : "t0", cells, keys: [null, 4, grad, odd], size };
};
const rows = [row("w10", 3, 0, 3), row("w9", 1e-9, 0, 1e-9), row("b", null, 7, "nan"), row("w11", 0, 0, 0)];
const table: HealthTable = { title: "Parameters", columns: ["parameter", "shape", "RMS grad", "NaN/Inf"], rows, more: "" };
const health: Health = {
  hint: "",
  tables: [table],
  plot: null,
  items: { n0: 1, n1: 1e-6, n2: 0, n3: "nan" },
  wires: { "n0>n1": 0.02 },
  scale: { low: -6, high: 1, step: 2, bands: 4 },
};

function context(more: Partial<Health> = {}): Context {
  const payload = payloadOf("linreg");
  payload.health = { ...health, ...more };
  return contextOf(payload);
}

const names = (some: HealthRow[]): string[] => some.map(({ cells }) => cells[0] ?? "");

test("rows are sorted by numbers, names as people count, and what has none stays at the end", () => {
  expect(names(sorted(rows, 2, "ascending"))).toEqual(["w11", "w9", "w10", "b"]);
  expect(names(sorted(rows, 2, "descending"))).toEqual(["w10", "w9", "w11", "b"]);
  expect(names(sorted(rows, 3, "descending"))).toEqual(["b", "w10", "w9", "w11"]);
  expect(names(sorted(rows, 0, "ascending"))).toEqual(["b", "w9", "w10", "w11"]);
  expect(names(sorted(rows, 0, "none"))).toEqual(names(rows));
  expect(names(rows)).toEqual(["w10", "w9", "b", "w11"]);
});

test("a column's button sorts up, down and back, and says so", () => {
  const drawn = drawHealth(context());
  const [, , grad] = drawn?.querySelectorAll<HTMLButtonElement>("button.sort") ?? [];
  const shown = (): string[] => [...(drawn?.querySelectorAll("tbody th") ?? [])].map((cell) => cell.textContent ?? "");
  const ways = (): (string | null)[] => [...(drawn?.querySelectorAll("thead th") ?? [])].map((head) => head.getAttribute("aria-sort"));
  expect(ways()).toEqual(["none", "none", "none", "none"]);
  expect(grad?.title).toContain("RMS grad");
  grad?.click();
  expect([shown(), ways()]).toEqual([["w11", "w9", "w10", "b"], ["none", "none", "ascending", "none"]]);
  grad?.click();
  expect([shown(), ways()[2]]).toEqual([["w10", "w9", "w11", "b"], "descending"]);
  drawn?.querySelector<HTMLButtonElement>("button.sort")?.click();
  expect([shown(), ways()]).toEqual([["b", "w9", "w10", "w11"], ["ascending", "none", "none", "none"]]);
  grad?.click();
  grad?.click();
  grad?.click();
  expect([shown(), ways()[2]]).toEqual([names(rows), "none"]);
});

test("rows lead to their items, and alarms are more than a colour", () => {
  const lines = [...(drawHealth(context())?.querySelectorAll<HTMLElement>("tbody tr") ?? [])];
  expect(lines.map((line) => line.dataset["item"])).toEqual(["t0", "t0", "", "t0"]);
  expect(lines.map((line) => line.querySelector("button.link") !== null)).toEqual([true, true, false, true]);
  expect(lines.map((line) => line.classList.contains("alarm"))).toEqual([false, false, true, true]);
  expect(lines[2]?.querySelector("td.alarm")?.textContent).toBe("⚠ 7 NaN");
});

test("names of the user's are no markup", () => {
  const evil = { ...table, rows: [row("<img src=x>", 1, 0, 1)] };
  expect(drawHealth(context({ tables: [evil] }))?.querySelector("img")).toBeNull();
});

test("what is noted of larger gradients is told where nothing is", () => {
  const panel = drawGradients(context({ hint: "`--values stats` notes it", tables: [] }));
  expect(panel.querySelector(".health code")?.textContent).toBe("--values stats");
  expect(drawGradients(contextOf(payloadOf("linreg"))).querySelector(".health")).toBeNull();
});

test("sizes have a colour of their band, and a text", () => {
  expect(lookOf(health, 1e-6)).toEqual({ look: "h0", text: "1e−6" });
  expect(lookOf(health, 5)).toEqual({ look: "h5", text: "5" });
  expect(lookOf(health, 1e-9).look).toBe("h0");
  expect(lookOf(health, 0).look).toBe("hz");
  expect(lookOf(health, "nan")).toEqual({ look: "hx", text: "⚠ NaN" });
  expect(lookOf(health, "inf").text).toBe("⚠ Inf");
  expect([colourOf(1, 0), colourOf(2, 0), colourOf(2, 1)]).toEqual(["h3", "h0", "h5"]);
  expect([2.3456e-5, 0.0234, 12.3, 123456, 1e-10, 1].map(shortNumber)).toEqual(["2.3e−5", "0.023", "12", "1.2e5", "1e−10", "1"]);
});

test("a wire has what was sent along it, else what arrived at its end nearer to the leaves", () => {
  const wire = { id: "w0", from: "n0", to: "n1~2", d: "", arrow: true, kind: "data" } as const;
  expect(sizeOfWire(health, wire, true)).toBe(0.02);
  expect(sizeOfWire(health, { ...wire, to: "n3" }, true)).toBe("nan");
  expect(sizeOfWire(health, { ...wire, to: "n3" }, false)).toBe(1);
  expect(sizeOfWire(health, { ...wire, from: "t9", to: "c1" }, false)).toBeUndefined();
});

test("the graph is coloured while it is asked for, and then is as before", () => {
  const given = context();
  const boxes = ["n0", "n1", "n2", "n3", "n4"].map((id, i) => boxAt(id, 60 * i, 0, { shape: "rect", style: "node", below: "float32[3]" }));
  const picture = pictureOf(boxes, [["n0", "n1"], ["n1", "n2"]]);
  const index = indexPicture(picture);
  const elements = [...boxes.map((box) => ({ id: box.id, element: drawBox(box) }))];
  elements.push(...picture.wires.map((wire) => ({ id: wire.id, element: drawWire(wire) })));
  const before = elements.map(({ element }) => element.outerHTML);
  const apply = (): void => {
    const look = healthLooks(given, index);
    elements.forEach(({ id, element }) => look(id, element));
  };
  const looks = (): string[] => elements.map(({ element }) => /\bh[0-9xz]\b/.exec(element.getAttribute("class") ?? "")?.[0] ?? "");
  given.state.mode.value = "backward";
  apply();
  expect(looks()).toEqual(["", "", "", "", "", "", ""]);
  const toggle = drawHealthToggle(given);
  toggle?.click();
  expect(toggle?.getAttribute("aria-pressed")).toBe("true");
  apply();
  apply();
  expect(looks()).toEqual(["h5", "h0", "hz", "hx", "", "h3", "hz"]);
  expect(elements.map(({ element }) => [...element.querySelectorAll(".rms")].map((text) => text.textContent).join())).toEqual(
    ["1", "1e−6", "∅ 0", "⚠ NaN", "", "", ""],
  );
  const words = healthEntries(given, picture).map((entry) => entry.textContent);
  expect(words.slice(1, 3)).toEqual(["1e−6 … 1e−4", "1 … 10"]);
  expect(words.slice(3).map((entry) => entry?.slice(0, 1))).toEqual(["∅", "⚠"]);
  toggle?.click();
  apply();
  elements.forEach(({ element }) => element.removeAttribute("data-health"));
  expect(elements.map(({ element }) => element.outerHTML)).toEqual(before);
  expect(healthEntries(given, picture)).toEqual([]);
});

test("it shows gradients, so not beside the forward picture alone", () => {
  const given = context();
  given.state.mode.value = "forward";
  drawHealthToggle(given)?.click();
  expect([given.state.mode.value, given.state.health.value]).toEqual(["both", true]);
  given.state.mode.value = "forward";
  expect(healthEntries(given, { boxes: [{ id: "n0" }] })).toEqual([]);
  expect(drawHealthToggle(contextOf(payloadOf("linreg")))).toBeNull();
});
