/** The ledger of each leaf: what its `.grad` held, what was added, what it holds now, and how its value changed. */
import type { Context } from "../context";
import { h, rich } from "../dom";
import type { Ledger, LedgerRow } from "../payload";
import { drawHealth } from "./health";
import { severitySign } from "./icons";
import { inTime, poseLedgers } from "./moments";
import { appendRows, goTo, nothing } from "./parts";
import { drawPlot } from "./plot";

/** Values longer than this, in characters, do not stand side by side in a panel. */
const LONG = 11;

export function drawGradients(context: Context): HTMLElement {
  const { t, payload } = context;
  if (payload.gradients.length === 0) return nothing(t("ui.no_gradients"));
  const ledgers = h("div", { class: "ledgers" });
  appendRows(context, ledgers, payload.gradients, (ledger) => drawLedger(context, ledger));
  return h("div", { class: "gradients" }, drawHealth(context), inTime(context, "gradients", ledgers, poseLedgers));
}

function drawLedger(context: Context, ledger: Ledger): HTMLElement {
  const { t } = context;
  const name = h("span", { class: "name" }, ledger.name);
  const dim = (words: string): HTMLElement => h("span", { class: "dim" }, words);
  const now = h("span", { class: "now" }, dim(t("ui.grad_now")), " ", h("code", null, ledger.now));
  const head = h("h4", { "data-item": ledger.id }, goTo(ledger.id, name), dim(ledger.shape), now);
  if (ledger.rows.length === 0) return h("section", null, head, nothing(t("ui.no_changes")));
  const columns = ["ui.line", "ui.what", "ui.before", "ui.added", "ui.after"];
  const body = h("tbody", null);
  appendRows(context, body, ledger.rows, (row) => drawRow(context, row));
  const heads = columns.map((key) => h("th", { scope: "col" }, t(key)));
  const top = h("thead", null, h("tr", null, ...heads));
  const values = ledger.rows.flatMap(({ before, added, after }) => [before, added, after]);
  const long = values.some((value) => value.length > LONG);
  const plot = ledger.plot ? drawPlot(ledger.plot) : null;
  return h("section", null, head, plot, h("table", { class: long && "long" }, top, body));
}

function drawRow({ payload, t }: Context, row: LedgerRow): HTMLElement {
  const finding = payload.findings.find((one) => one.id === row.finding);
  const alarm = finding && goTo(finding.id, severitySign(finding.severity));
  alarm?.setAttribute("aria-label", t("ui.finding_of", { code: finding?.code ?? "" }));
  const also = [row.link, row.by].filter(Boolean).join(" ");
  return h(
    "tr",
    { class: `change ${row.kind}`, "data-also": also },
    h("td", { class: "where" }, goTo(row.link, row.line)),
    h("td", null, alarm, alarm && " ", ...rich(row.what)),
    ...cells(row),
  );
}

/** Three values of `.grad`; of a change of the leaf itself one cell that says so. */
function cells({ before, added, after, was, value }: LedgerRow): HTMLElement[] {
  if (value) return [h("td", { class: "m own", colspan: 3 }, was ? `${was} → ${value}` : value)];
  return [
    h("td", { class: "m" }, before),
    h("td", { class: "m added" }, added),
    h("td", { class: "m after" }, after),
  ];
}
