import { expect, test } from "vitest";
import { find } from "../../autograd_magics/front/find";
import { spoken } from "../../autograd_magics/front/language";
import { relations } from "../../autograd_magics/front/links";
import type { Payload } from "../../autograd_magics/front/payload";
import { folded } from "../../autograd_magics/front/draw/folding";
import { scopesOf, unfoldedTo } from "../../autograd_magics/front/scopes";
import { payloadOf } from "./helpers";
import { treePayload } from "./trees";

function found(payload: Payload, query: string): string[] {
  return find({ payload, related: relations(payload) }, payload.pictures.forward, query);
}

function labels(payload: Payload, query: string): string[] {
  const { boxes, groups } = payload.pictures.forward.tree ?? { boxes: [], groups: [] };
  const names = new Map([...boxes, ...groups].map(({ id, label }) => [id, label ?? ""]));
  return found(payload, query).map((id) => names.get(id) ?? "");
}

test("labels, names and titles are looked at, whatever the case", () => {
  const payload = payloadOf("linreg");
  expect(found(payload, "Y_PRED")).toEqual(["t3", "c1"]);
  expect(found(payload, "PowBackward0")).toEqual(["c2"]);
  expect(found(payload, "  ")).toEqual([]);
  expect(found(payload, "no such thing")).toEqual([]);
});

test("a line is meant as a line, with its number alone", () => {
  const payload = payloadOf("linreg");
  const fifth = found(payload, ":5");
  expect(fifth).toEqual(expect.arrayContaining(["c2"]));
  expect(found(payload, "line 5")).toEqual(fifth);
  expect(found(payload, "LINE 5")).toEqual(fifth);
  expect(found(payload, ":99")).toEqual([]);
  expect(found({ ...payload, text: { ...payload.text, "ui.line": "Zeile" } }, "zeile 6")).not.toEqual([]);
});

test("a finding leads to what it is about", () => {
  const payload = payloadOf("linreg");
  const [finding] = payload.findings;
  const ids = payload.pictures.forward.boxes.map(({ id }) => id);
  const links = finding?.links.filter((link) => ids.includes(link)) ?? [];
  expect(links).not.toEqual([]);
  expect(found(payload, finding?.code.toLowerCase() ?? "").sort()).toEqual(links.sort());
  expect(found(payload, "AG999")).toEqual([]);
});

test("what is folded is found too, groups by name and path, in the order of the computation", () => {
  const payload = treePayload(3);
  expect(labels(payload, "gelu")).toEqual(["gelu", "gelu", "gelu"]);
  expect(labels(payload, "attention")).toEqual(["attn", "attn", "attn"]);
  expect(labels(payload, "h.1.attn")).toEqual(["attn"]);
  expect(labels(payload, "GPT.h.2")).toEqual(["h.2", "attn", "mlp"]);
  expect(found(payload, "model.h")).toHaveLength(3);
});

test("blanks in a shape do not count", () => {
  const payload = treePayload(2);
  expect(labels(payload, "[4,3]")).toEqual(["weight", "weight"]);
  expect(labels(payload, "[4, 3]")).toEqual(["weight", "weight"]);
});

test("what is folded is found and unfolded in the reader's language", () => {
  const payload = treePayload(2);
  const box = payload.pictures.forward.tree?.boxes.find(({ label }) => label === "gelu");
  if (!box) throw new Error("no such box");
  box.label = "\ufdd0view.word\ufdd2";
  const languages = { en: { "view.word": "bend" }, es: { "view.word": "curva" } };
  const told = spoken({ ...payload, languages }, "es");
  expect(found(told, "curva")).toEqual([box.id]);
  expect(found(told, "bend")).toEqual([]);
  const scopes = scopesOf(told.pictures.forward);
  const open = unfoldedTo(scopes, new Set(["g0"]), box.id);
  const shown = folded(scopes, open);
  expect(shown).not.toBeInstanceOf(Promise);
  expect((shown as { boxes: { label: string }[] }).boxes.map(({ label }) => label)).toContain("curva");
});
