/** What backward is kept waiting for: each saved tensor, by the node and slot that keep it. */
import type { Context } from "../context";
import { h, rich } from "../dom";
import type { SavedRow } from "../payload";
import { inTime, poseSaved } from "./moments";
import { appendRows, goTo, nothing } from "./parts";

export function drawSaved(context: Context): HTMLElement {
  const { t, payload } = context;
  const { total, rows, by_line } = payload.saved;
  if (rows.length === 0) return nothing(t("ui.no_saved"));
  const lines = by_line.map(({ line, link, bytes }) => {
    return h("li", { "data-also": link ?? "" }, goTo(link, line), h("span", { class: "m" }, bytes));
  });
  const list = h("div", { class: "rows" });
  appendRows(context, list, rows, (row) => drawRow(context, row));
  const panel = h(
    "div",
    { class: "saved" },
    h("p", { class: "total" }, h("b", null, total)),
    lines.length > 1 && h("ul", { class: "by-line", "aria-label": t("ui.by_line") }, ...lines),
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
