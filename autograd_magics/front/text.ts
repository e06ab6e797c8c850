/** Words of the view, as the payload brings them in the reader's language. */

/** Sentences by key. */
export type Words = Record<string, string>;

export type Translate = (key: string, data?: Record<string, string | number>) => string;

/** A key that is not in the table is shown itself: an old payload may meet a newer view, which must still draw. */
export function translator(table: Words): Translate {
  return (key, data = {}) => {
    return (table[key] ?? key).replace(/\{(\w+)\}/g, (hole, name: string) => String(data[name] ?? hole));
  };
}

/** A sentence with a number of things: `key.one` or `key.other`. */
export function count(t: Translate, key: string, n: number): string {
  return t(n === 1 ? `${key}.one` : `${key}.other`, { n });
}
