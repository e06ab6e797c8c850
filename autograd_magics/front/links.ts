/** What belongs together: the payload's relations, those of findings, saved tensors and source marks, both ways. */
import type { Item, Payload } from "./payload";

export type Related = (item: Item) => ReadonlySet<Item>;

const NONE: ReadonlySet<Item> = new Set();

export function relations(payload: Payload): Related {
  const table = new Map<Item, Set<Item>>();
  const join = (one: Item, other: Item | null): void => {
    if (other === null || other === "" || one === other) return;
    add(table, one, other);
    add(table, other, one);
  };
  for (const [item, others] of Object.entries(payload.related)) others.forEach((other) => join(item, other));
  for (const finding of payload.findings) {
    finding.links.forEach((link) => join(finding.id, link));
    finding.ends.forEach((end) => join(finding.id, end.link));
  }
  for (const row of payload.saved.rows) [row.node, row.owner_id, row.link].forEach((other) => join(row.id, other));
  for (const source of payload.source) {
    for (const line of source.lines) line.marks.forEach(([, , item]) => join(line.id, item));
  }
  return (item) => {
    const others = payload.columns ? payload.related[item] : undefined; // made when asked for
    return others ? new Set([...others, ...(table.get(item) ?? [])]) : (table.get(item) ?? NONE);
  };
}

function add(table: Map<Item, Set<Item>>, item: Item, other: Item): void {
  const known = table.get(item);
  if (known) known.add(other);
  else table.set(item, new Set([other]));
}
