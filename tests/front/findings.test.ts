import { describe, expect, it } from "vitest";
import { drawFindings, headed } from "../../autograd_magics/front/draw/findings";
import type { Finding } from "../../autograd_magics/front/payload";
import { contextOf, payloadOf } from "./helpers";

function finding(id: string, code: string, cause: string | null = null): Finding {
  const words = { title: `title of ${code}`, message: `message of ${code}`, fix: "", torch: "" };
  return { id, code, severity: "warning", ...words, ends: [], links: [], cause };
}

const chain = [finding("f0", "AG203"), finding("f1", "AG204", "f0"), finding("f2", "AG105", "f1"), finding("f3", "AG202")];

describe("findings", () => {
  it("stand under their first cause, in their order", () => {
    const groups = headed(chain).map(({ cause, consequences }) => [cause.id, consequences.map(({ id }) => id)]);
    expect(groups).toEqual([
      ["f0", ["f1", "f2"]],
      ["f3", []],
    ]);
  });

  it("of older payloads name no cause and stand alone", () => {
    const old = chain.map(({ cause: _, ...rest }) => rest);
    expect(headed(old)).toHaveLength(4);
    expect(headed([finding("f1", "AG204", "f9")])).toHaveLength(1);
  });

  it("are folded, counted, and all there", () => {
    const payload = { ...payloadOf("loop"), findings: chain };
    const panel = drawFindings(contextOf(payload));
    const shown = [...panel.querySelectorAll<HTMLElement>("[data-item]")].map((card) => card.dataset.item);
    expect(shown.filter((id, i) => shown.indexOf(id) === i)).toEqual(["f0", "f1", "f2", "f3"]);
    const folded = panel.querySelectorAll<HTMLDetailsElement>("details.follows");
    expect(folded).toHaveLength(1);
    expect(folded[0]?.open).toBe(false);
    expect(folded[0]?.querySelector("summary")?.textContent).toBe("2 findings follow from it");
    expect(folded[0]?.querySelectorAll("article")).toHaveLength(2);
  });
});
