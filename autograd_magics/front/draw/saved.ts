/** What backward is kept waiting for: each saved tensor, by the node and slot that keep it. */
import type { Context } from "../context";
import { h, rich } from "../dom";
import type { SavedRow } from "../payload";
import { drawMemory } from "./memory";
import { inTime, poseSaved } from "./moments";
import { appendRows, goTo, nothing } from "./parts";

export function drawSaved(context: Context): HTMLElement {
  const { t, payload } = context;
  const { total, rows, memory } = payload.saved;
  if (rows.length === 0) return nothing(t("ui.no_saved"));
  const list = h("div", { class: "rows" });
  appendRows(context, list, rows, (row) => drawRow(context, row));
  const panel = h(
    "div",
    { class: "saved" },
    h("p", { class: "total" }, h("b", null, total)),
    memory && drawMemory(context, memory),
    list,
  );
  return inTime(context, "saved", panel, poseSaved);
}

function drawRow({ t }: Context, row: SavedRow): HTMLElement {
  const what = [`${row.dtype}${row.shape}`, row.device].filter(Boolean).join(" · ");
  const state = h("span", { class: row.freed ? "state freed" : "state kept" }, ...rich(row.state));
  const owner = goTo(row.owner_id, row.owner || t("ui.unnamed"));
  return h(
    "div",
    { class: "row", "data-item": row.id },
    h("span", { class: "keeper" }, goTo(row.node, row.node_name), h("span", { class: "dim" }, `.${row.slot}`)),
    h("b", { class: "m bytes" }, row.bytes),
    h("span", { class: "owner" }, owner, " ", h("span", { class: "dim m" }, what)),
    h("span", { class: "dim where" }, goTo(row.link, row.line)),
    h("span", { class: "dim life" }, state, row.shared !== "" && h("span", { class: "shared" }, ...rich(row.shared))),
  );
}
