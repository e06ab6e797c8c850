/** What is wrong or risky in the cell, each with its two ends and its fix. */
import type { Context } from "../context";
import { h } from "../dom";
import type { Finding, Item } from "../payload";
import { count } from "../text";
import { appendRows, findingCard, nothing } from "./parts";

export function drawFindings(context: Context): HTMLElement {
  const { t, payload } = context;
  if (payload.findings.length === 0) return nothing(t("ui.no_findings"));
  const list = h("div", { class: "findings" });
  appendRows(context, list, headed(payload.findings), (group) => drawGroup(context, group));
  return list;
}

/** A finding that nothing else caused, and all that follows from it. */
interface Group {
  cause: Finding;
  consequences: Finding[];
}

/** The findings by their first cause, in their order. */
export function headed(findings: Finding[]): Group[] {
  const groups = new Map<Item, Group>();
  for (const finding of findings) {
    const group = finding.cause ? groups.get(finding.cause) : undefined;
    group?.consequences.push(finding);
    groups.set(finding.id, group ?? { cause: finding, consequences: [] });
  }
  return [...new Set(groups.values())];
}

function drawGroup(context: Context, { cause, consequences }: Group): HTMLElement {
  const card = findingCard(context, cause);
  if (consequences.length === 0) return card;
  const label = count(context.t, "ui.follows", consequences.length);
  const cards = consequences.map((finding) => findingCard(context, finding));
  return h("div", { class: "cause" }, card, h("details", { class: "follows" }, h("summary", null, label), ...cards));
}
