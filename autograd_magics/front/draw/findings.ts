/** What is wrong or risky in the cell, each with its two ends and its fix. */
import type { Context } from "../context";
import { h } from "../dom";
import { findingCard, nothing } from "./parts";

export function drawFindings(context: Context): HTMLElement {
  const { t, payload } = context;
  if (payload.findings.length === 0) return nothing(t("ui.no_findings"));
  return h("div", { class: "findings" }, ...payload.findings.map((finding) => findingCard(context, finding)));
}
