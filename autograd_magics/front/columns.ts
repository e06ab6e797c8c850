/** Large recordings: details, relations and captions of the many, made from `views/brief.py`'s columns when asked for. */
import type { Detail, Item, Payload } from "./payload";
import type { Translate, Words } from "./text";

/** -1 stands for none; ids are in order. */
export interface Columns {
  /** Labels of the rows of a detail. */
  words: Words;
  lines: { id: Item; text: string; code: string }[];
  calls: { id: number[]; name: string[]; line: number[]; inputs: number[][]; outputs: number[][]; nodes: number[][] };
  tensors: { id: number[]; name: string[]; kind: string[]; call: number[]; node: number[] };
  nodes: { name: string[]; line: number[]; call: number[]; leaf: number[]; next: number[][] };
}

/** Rows of one kind in a detail. */
const MANY = 12;

/** The payload with what its columns tell; as it is where it has none. */
export function expanded(payload: Payload, t: Translate): Payload {
  const { columns, timeline } = payload;
  if (!columns) return payload;
  const brief = new Brief(columns);
  const filled: Payload = {
    ...payload,
    details: lazily(payload.details, (item) => brief.detail(item)),
    related: lazily(payload.related, (item) => brief.related(item)),
  };
  if (timeline) {
    const tell = (i: number): string => {
      const kind = timeline.kinds.charAt(i);
      const title = brief.detail(timeline.items[i]?.[0] ?? "")?.title ?? "";
      const code = columns.lines.find(({ id }) => id === timeline.lines[i])?.code || title;
      if (kind === "g") return t("ui.brief_grad", { name: title });
      return kind === "f" ? t("ui.brief_call", { code }) : kind === "s" ? t("ui.brief_step", { node: title }) : code;
    };
    const captions = new Proxy(timeline.captions, {
      get: (known, key) => (Reflect.get(known, key) as unknown) || (/^\d+$/.test(String(key)) ? tell(Number(key)) : ""),
    });
    filled.timeline = { ...timeline, captions };
  }
  return filled;
}

/** A table that makes what is not in it, once. */
function lazily<V>(known: Record<Item, V>, make: (item: Item) => V | undefined): Record<Item, V> {
  const made = new Map<Item, V | undefined>();
  return new Proxy(known, {
    get: (table, key) => {
      if (typeof key !== "string" || Object.hasOwn(table, key)) return table[key as Item];
      if (!made.has(key)) made.set(key, make(key));
      return made.get(key);
    },
  });
}

type Row = Detail["rows"][number];

class Brief {
  readonly #c: Columns;
  /** By row of a table: the rows of another one that point at it, filled when first asked for. */
  readonly #back = new Map<string, Map<number, Item[]>>();

  constructor(columns: Columns) {
    this.#c = columns;
  }

  detail(item: Item): Detail | undefined {
    const { calls, tensors, nodes, lines } = this.#c;
    const i = this.#row(item);
    if (i < 0) return undefined;
    const code = (line: number | undefined): string => lines[line ?? -1]?.code ?? "";
    if (item.startsWith("t")) {
      const [call, node] = [tensors.call[i] ?? -1, tensors.node[i] ?? -1];
      const rows = [this.#text("kind", tensors.kind[i]), ...this.#items("grad_fn", "n", [node]), ...this.#items("made_by", "c", [call])];
      return told(tensors.name[i], code(calls.line[at(calls.id, call)]), rows);
    }
    if (item.startsWith("n")) {
      const rows = [
        ...this.#items("next", "n", nodes.next[i]),
        ...this.#items("made_by", "c", [nodes.call[i] ?? -1]),
        ...this.#items("leaf", "t", [nodes.leaf[i] ?? -1]),
      ];
      return told(nodes.name[i], code(nodes.line[i]), [...rows, ...this.#line(nodes.line[i])]);
    }
    const rows = [
      ...this.#items("input", "t", calls.inputs[i]),
      ...this.#items("output", "t", calls.outputs[i]),
      ...this.#items("made_node", "n", calls.nodes[i]),
    ];
    return told(calls.name[i], code(calls.line[i]), [...rows, ...this.#line(calls.line[i])]);
  }

  /** What belongs together, as `related` in `views/payload.py`. */
  related(item: Item): Item[] {
    const { calls, tensors, nodes, lines } = this.#c;
    const line = (index = -1): Item[] => lines.slice(index, index + 1).flatMap(({ id }) => (index < 0 ? [] : [id]));
    if (item.startsWith("L")) {
      const index = lines.findIndex(({ id }) => id === item);
      return [...this.#pointing("c", "line", index), ...this.#pointing("n", "line", index)];
    }
    const i = this.#row(item);
    if (i < 0) return [];
    if (item.startsWith("c")) {
      return [...line(calls.line[i]), ...named("t", calls.outputs[i]), ...named("n", calls.nodes[i])];
    }
    if (item.startsWith("n")) {
      const near = [...named("c", [nodes.call[i] ?? -1]), ...named("t", [nodes.leaf[i] ?? -1])];
      return [...line(nodes.line[i]), ...near, ...this.#pointing("t", "node", i)];
    }
    const near = [...named("c", [tensors.call[i] ?? -1]), ...named("n", [tensors.node[i] ?? -1])];
    return [...near, ...this.#pointing("n", "leaf", tensors.id[i] ?? -1)];
  }

  /** The items of a table whose column has a number. */
  #pointing(letter: "c" | "n" | "t", column: "line" | "leaf" | "node", number: number): Item[] {
    const { calls, tensors, nodes } = this.#c;
    const table: Partial<Record<string, number[]>> = letter === "c" ? { line: calls.line } : letter === "n" ? { line: nodes.line, leaf: nodes.leaf } : { node: tensors.node };
    const ids = letter === "c" ? calls.id : letter === "t" ? tensors.id : null;
    let back = this.#back.get(letter + column);
    if (!back) {
      this.#back.set(letter + column, (back = new Map()));
      for (const [row, value] of (table[column] ?? []).entries()) {
        const known = back.get(value);
        const item = letter + String(ids ? ids[row] : row);
        if (known) known.push(item);
        else back.set(value, [item]);
      }
    }
    return number < 0 ? [] : (back.get(number) ?? []);
  }

  /** The place of an item in its table; -1 where it has none. */
  #row(item: Item): number {
    const { calls, tensors, nodes } = this.#c;
    const number = /^[ctn]\d+$/.test(item) ? Number(item.slice(1)) : -1;
    if (item.startsWith("n")) return number < nodes.name.length ? number : -1;
    return at((item.startsWith("c") ? calls : tensors).id, number);
  }

  #text(key: string, value = "", link: Item | null = null, mono = true): Row {
    return { label: this.#c.words[key] ?? key, value, mono, link };
  }

  #line(index = -1): Row[] {
    const line = this.#c.lines[index];
    return line ? [this.#text("line", line.text, line.id, false)] : [];
  }

  #items(key: string, letter: string, numbers: number[] = []): Row[] {
    const { calls, tensors, nodes } = this.#c;
    return named(letter, numbers.slice(0, MANY)).map((item) => {
      const i = this.#row(item);
      const kind = letter === "t" && i >= 0 ? `  ${tensors.kind[i] ?? ""}` : "";
      const { name } = letter === "t" ? tensors : letter === "n" ? nodes : calls;
      return this.#text(key, (name[i] ?? item) + kind, i < 0 ? null : item);
    });
  }
}

function told(title = "", subtitle: string, rows: Row[]): Detail {
  return { title, subtitle, rows, findings: [] };
}

function named(letter: string, numbers: number[] = []): Item[] {
  return numbers.filter((number) => number >= 0).map((number) => letter + String(number));
}

/** The index of a number among numbers in order; -1 where it is not among them. */
function at(ordered: number[], number: number): number {
  let [low, high] = [0, ordered.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ordered[middle] ?? 0) < number) low = middle + 1;
    else high = middle;
  }
  return ordered[low] === number ? low : -1;
}
