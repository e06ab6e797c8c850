/** Reads what `views/packing.py` writes: lists and mappings by columns, in the place of the lists and mappings. */

type Packed = { $: string; n: never; k: never; v: never; at?: never };
type Row = Record<string, unknown>;

/** The same value with all that is packed in it written out. */
export function unpacked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unpacked);
  if (value === null || typeof value !== "object") return value;
  const read = "$" in value ? READERS[(value as Packed).$] : undefined;
  if (read) return read(value as Packed);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpacked(item)]));
}

const list = (value: unknown): unknown[] => unpacked(value) as unknown[];

const READERS: Record<string, (value: Packed) => unknown> = {
  d: ({ v }) => sums(v),
  i: ({ k, v }) => {
    const last: Record<string, number> = {};
    return (v as number[]).map((step, i) => {
      const letter = (k as string).charAt(i);
      return letter + String((last[letter] = (last[letter] ?? 0) + step));
    });
  },
  s: ({ k, v }) => (v as number[]).map((i) => (k as unknown[])[i]),
  t: ({ n, k }) => {
    const columns = (k as unknown[]).map(list);
    return Array.from({ length: n }, (_, i) => columns.map((column) => column[i]));
  },
  l: ({ n, v }) => {
    const all = list(v);
    let end = 0;
    return (list(n) as number[]).map((length) => all.slice(end, (end += length)));
  },
  r: ({ n, k }) => {
    const rows: Row[] = Array.from({ length: n }, () => ({}));
    for (const [key, column] of Object.entries<Packed>(k)) {
      const at = column.at && (list(column.at) as number[]);
      list(column.v).forEach((one, i) => ((rows[at ? (at[i] ?? 0) : i] ?? {})[key] = one));
    }
    return rows;
  },
  m: ({ k, v }) => {
    const values = list(v);
    return Object.fromEntries((list(k) as string[]).map((key, i) => [key, values[i]]));
  },
};

function sums(steps: number[]): number[] {
  let sum = 0;
  return steps.map((step) => (sum += step));
}
