import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { languagesOf, openingLanguage, sentence, spoken } from "../../autograd_magics/front/language";
import { mount, type Mounted } from "../../autograd_magics/front/mount";
import type { Payload } from "../../autograd_magics/front/payload";
import { payloadOf } from "./helpers";

const [OPEN, NEXT, CLOSE, FIRST, SECOND] = ["\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3", "\ufdd4"];

function code(key: string, ...values: string[]): string {
  return `${OPEN}${key}${values.map((value) => NEXT + value).join("")}${CLOSE}`;
}

/** The regression with words of two languages for a few of its sentences; the rest is as it was. */
function twoLanguages(): Payload {
  const payload = payloadOf("linreg");
  const line = code("view.line", "5");
  payload.headline = code("view.headline", "In [5]", `${line}, w`);
  payload.findings = [{ ...payloadOf("loop").findings[0]!, message: code("AG202", "w", line), title: "titled" }];
  payload.details["c2"]!.rows = [{ label: code("view.d_line"), value: line, mono: false, link: null }];
  const english = { ...payload.text, "view.line": `line ${FIRST}`, "view.d_line": "line" };
  const portuguese = { "view.line": `linha ${FIRST}`, "view.d_line": "posição", "ui.details": "Detalhes" };
  payload.languages = {
    en: { ...english, "view.headline": `${FIRST}: ${SECOND}.`, AG202: `\`${FIRST}.grad\` since ${SECOND}` },
    pt_BR: {
      ...english, ...portuguese, "ui.language_name": "Português", "view.headline": `${FIRST} tem ${SECOND}.`,
      AG202: `na ${SECOND}: \`${FIRST}.grad\``,
    },
  };
  payload.text = {};
  return payload;
}

describe("sentences", () => {
  const words = { line: `line ${FIRST}`, both: `${SECOND} {n} before ${FIRST}`, plain: "plain" };

  test("keys and what stands in them become words", () => {
    expect(sentence(code("plain"), words)).toBe("plain");
    expect(sentence(`x = 1 · ${code("line", "3")} · ${code("plain")}`, words)).toBe("x = 1 · line 3 · plain");
    expect(sentence(code("both", code("line", "3"), "$&"), words)).toBe("$& {n} before line 3");
  });

  test("a word that is not there is shown as its key, and nothing is lost of what is broken", () => {
    expect(sentence(code("unknown", "1"), words)).toBe("unknown");
    expect(sentence(`a${CLOSE}b${OPEN}plain`, words)).toContain("plain");
  });

  test("a payload is said anew, and stays as it was", () => {
    const payload = twoLanguages();
    const before = structuredClone(payload);
    const said = spoken(payload, "pt_BR");
    expect(said.headline).toBe("In [5] tem linha 5, w.");
    expect(said.findings[0]?.message).toBe("na linha 5: `w.grad`");
    expect([said.lang, said.text["ui.details"]]).toEqual(["pt_BR", "Detalhes"]);
    expect(said.details["c2"]?.rows[0]).toEqual({ label: "posição", value: "linha 5", mono: false, link: null });
    expect(said.pictures).toEqual(payload.pictures);
    expect(payload).toEqual(before);
  });

  test("without words of a language it is shown as it is", () => {
    const payload = payloadOf("linreg");
    expect(spoken(payload, "pt_BR")).toBe(payload);
    expect(languagesOf(payload)).toEqual([]);
  });
});

let views: Mounted[] = [];
beforeEach(() => {
  localStorage.clear();
  document.body.replaceChildren();
});
afterEach(() => {
  views.forEach((view) => view.remove());
  views = [];
});

function show(payload: Payload): { view: Mounted; host: HTMLElement; root: ShadowRoot } {
  const place = document.createElement("div");
  document.body.append(place);
  const view = mount(place, payload, "");
  views.push(view);
  const host = place.querySelector<HTMLElement>(".agm-view");
  if (!host?.shadowRoot) throw new Error("nothing was mounted");
  return { view, host, root: host.shadowRoot };
}

function select(root: ShadowRoot): HTMLSelectElement {
  const found = root.querySelector<HTMLSelectElement>(".language select");
  if (!found) throw new Error("no choice of a language");
  return found;
}

function pick(root: ShadowRoot, lang: string): void {
  select(root).value = lang;
  select(root).dispatchEvent(new Event("change", { bubbles: true }));
}

const panel = (root: ShadowRoot): string => root.querySelector("[role=tabpanel]:not([hidden])")?.textContent ?? "";

describe("the choice", () => {
  test("each language is listed under its own name; one alone is no choice", () => {
    const { root } = show(twoLanguages());
    expect([...select(root).options].map((option) => option.textContent)).toEqual(["English", "Português"]);
    expect(select(root).value).toBe("en");
    expect(show(payloadOf("linreg")).root.querySelector(".language")).toBeNull();
  });

  test("all is said in the other language, and what was chosen stays; back again it is as before", () => {
    const { view, host, root } = show(twoLanguages());
    view.state.selection.value = "c2";
    view.state.query.value = "w";
    const before = root.querySelector(".widget")?.outerHTML.replaceAll(/agm\d+/g, "agm");
    pick(root, "pt_BR");
    expect(panel(root)).toContain("posiçãolinha 5");
    expect(host.lang).toBe("pt-BR");
    expect(root.querySelectorAll(".widget")).toHaveLength(1);
    expect(root.querySelector("[data-box=c2]")?.classList).toContain("selected");
    expect(root.querySelector<HTMLInputElement>(".find input")?.value).toBe("w");
    view.state.tab.value = "findings";
    expect(panel(root)).toContain("na linha 5: w.grad");
    view.state.tab.value = "details";
    pick(root, "en");
    const after = root.querySelector(".widget")?.outerHTML.replaceAll(/agm\d+/g, "agm");
    expect(after).toBe(before);
    expect(host.lang).toBe("en");
  });

  test("the focus stays on it, and letters typed there are no shortcuts", () => {
    const { view, root } = show(twoLanguages());
    select(root).focus();
    pick(root, "pt_BR");
    expect(root.activeElement).toBe(select(root));
    select(root).dispatchEvent(new KeyboardEvent("keydown", { key: "f", bubbles: true, composed: true }));
    expect(view.state.mode.value).toBe("both");
  });

  test("the view that was replaced is no longer updated", () => {
    const { view, root } = show(twoLanguages());
    const old = root.querySelector(".widget");
    pick(root, "pt_BR");
    const words = old?.querySelector(".details")?.textContent;
    view.state.selection.value = "c2";
    expect(old?.querySelector(".details")?.textContent).toBe(words);
    expect(panel(root)).not.toBe(words);
  });

  test("it is remembered for the reader's other views, where they have that language", () => {
    pick(show(twoLanguages()).root, "pt_BR");
    expect(select(show(twoLanguages()).root).value).toBe("pt_BR");
    const { pt_BR: _, ...rest } = twoLanguages().languages ?? {};
    expect(openingLanguage({ ...twoLanguages(), languages: rest })).toBe("en");
  });

  test("it works where the page may not store anything", () => {
    const refuse = (): never => {
      throw new DOMException("sandboxed", "SecurityError");
    };
    vi.spyOn(Storage.prototype, "getItem").mockImplementation(refuse);
    vi.spyOn(Storage.prototype, "setItem").mockImplementation(refuse);
    const { view, root } = show(twoLanguages());
    pick(root, "pt_BR");
    expect([view.state.lang.value, panel(root).includes("In [5] tem linha 5")]).toEqual(["pt_BR", true]);
  });
});
