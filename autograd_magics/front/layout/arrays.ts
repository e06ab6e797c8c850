/** Lists of numbers. All loops: a spread of 100,000 arguments overflows the stack. */

/** Indices grouped by a key: group `k` is `items[start[k]]` up to `items[start[k + 1] - 1]`, in their order. */
export interface Groups {
  readonly start: Int32Array;
  readonly items: Int32Array;
}

export function group(count: number, keys: ArrayLike<number>): Groups {
  const start = ints(count + 1);
  for (let i = 0; i < keys.length; i++) start[keys[i]! + 1]!++;
  for (let k = 0; k < count; k++) start[k + 1]! += start[k]!;
  const next = start.slice();
  const items = ints(keys.length);
  for (let i = 0; i < keys.length; i++) items[next[keys[i]!]!++] = i;
  return { start, items };
}

export const { abs, floor, max, min } = Math;

export function ints(count: number, value = 0): Int32Array<ArrayBuffer> {
  return new Int32Array(count).fill(value);
}

export function floats(count: number): Float64Array<ArrayBuffer> {
  return new Float64Array(count);
}

export function bytes(count: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(count);
}

export function lists(count: number): number[][] {
  const made: number[][] = [];
  for (let i = 0; i < count; i++) made.push([]);
  return made;
}

export function range(count: number): number[] {
  const made: number[] = [];
  for (let i = 0; i < count; i++) made.push(i);
  return made;
}

const FEW = 12;

/** Sorts in place by key, equals in their order. */
export function sortBy(items: number[], key: ArrayLike<number>): number[] {
  if (items.length > FEW) return items.sort((a, b) => key[a]! - key[b]!);
  for (let i = 1; i < items.length; i++) {
    const item = items[i]!;
    const value = key[item]!;
    let j = i;
    for (; j && key[items[j - 1]!]! > value; j--) items[j] = items[j - 1]!;
    items[j] = item;
  }
  return items;
}

/** Sorts numbers in place. */
export function sort(values: number[]): number[] {
  if (values.length > FEW) return values.sort((a, b) => a - b);
  for (let i = 1; i < values.length; i++) {
    const value = values[i]!;
    let j = i;
    for (; j && values[j - 1]! > value; j--) values[j] = values[j - 1]!;
    values[j] = value;
  }
  return values;
}

/** The place in sorted numbers behind all that are not greater. */
export function placeBehind(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  if (!high || sorted[high - 1]! <= value) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value < sorted[middle]!) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function largest(values: ArrayLike<number>, least = -Infinity): number {
  for (let i = 0; i < values.length; i++) if (values[i]! > least) least = values[i]!;
  return least;
}

export function smallest(values: ArrayLike<number>, most = Infinity): number {
  for (let i = 0; i < values.length; i++) if (values[i]! < most) most = values[i]!;
  return most;
}

export function total(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum;
}
