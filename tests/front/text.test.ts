/// <reference types="vite/types/importMeta.d.ts" />
import { expect, test } from "vitest";
import { rich } from "../../autograd_magics/front/dom";
import { count, translator } from "../../autograd_magics/front/text";
import { MODES, TABS } from "../../autograd_magics/front/state";

const sources = import.meta.glob<string>("../../autograd_magics/front/**/*.ts", {
  query: "?raw",
  import: "default",
  eager: true,
});

function keysUsed(): Set<string> {
  const text = Object.values(sources).join("\n");
  const plain = [...text.matchAll(/"(ui\.\w+)"/g)].map((match) => match[1] ?? "");
  const counted = [...text.matchAll(/count\((?:\w+\.)?t, "(ui\.\w+)"/g)].map((match) => match[1] ?? "");
  const names = [...TABS, ...MODES, ...MODES.map((mode) => `${mode}_title`), "note", "warning", "error"];
  const keys = new Set([...plain, ...names.map((name) => `ui.${name}`)]);
  for (const key of counted) {
    keys.delete(key);
    keys.add(`${key}.one`).add(`${key}.other`);
  }
  return keys;
}

const tables = import.meta.glob<Record<string, string>>("../../autograd_magics/texts/*.json", {
  import: "default",
  eager: true,
});

test.each(Object.entries(tables))("every word of the view is in %s, and no other", (_, table) => {
  const there = Object.keys(table).filter((key) => key.startsWith("ui."));
  expect(there.sort()).toEqual([...keysUsed()].sort());
});

test("holes are filled, and what is not known is said as it is", () => {
  const t = translator({ "ui.a": "{n} of {m}" });
  expect(t("ui.a", { n: 3 })).toBe("3 of {m}");
  expect(t("ui.b")).toBe("ui.b");
});

test("one and many", () => {
  const t = translator({ "ui.x.one": "{n} thing", "ui.x.other": "{n} things" });
  expect([0, 1, 2].map((n) => count(t, "ui.x", n))).toEqual(["0 things", "1 thing", "2 things"]);
});

test("backticks are code, an odd one is itself", () => {
  const element = document.createElement("p");
  element.append(...rich("`w.grad` was <b>1</b>"));
  expect(element.querySelector("code")?.textContent).toBe("w.grad");
  expect(element.querySelector("b")).toBeNull();
  expect(element.textContent).toBe("w.grad was <b>1</b>");
  expect(rich("a ` b").map((node) => node.textContent)).toEqual(["a ` b"]);
});
