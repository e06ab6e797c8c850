/** Python's `random.Random(seed).random`, for seeds below 2^32: the Mersenne Twister of Matsumoto and Nishimura. */

const SIZE = 624;

export function random(seed: number): () => number {
  const state = seeded(seed);
  let at = SIZE;
  const next = (): number => {
    if (at === SIZE) {
      twist(state);
      at = 0;
    }
    let y = state[at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
  return () => ((next() >>> 5) * 0x4000000 + (next() >>> 6)) / 0x20000000000000;
}

function seeded(seed: number): Uint32Array {
  const state = new Uint32Array(SIZE);
  const before = (i: number): number => state[i - 1]! ^ (state[i - 1]! >>> 30);
  state[0] = 19650218;
  for (let i = 1; i < SIZE; i++) state[i] = Math.imul(before(i), 1812433253) + i;
  let at = 1;
  for (let step = 2 * SIZE - 1; step; step--) {
    state[at] = step >= SIZE
      ? (state[at]! ^ Math.imul(before(at), 1664525)) + seed
      : (state[at]! ^ Math.imul(before(at), 1566083941)) - at;
    if (++at === SIZE) {
      state[0] = state[SIZE - 1]!;
      at = 1;
    }
  }
  state[0] = 0x80000000;
  return state;
}

function twist(state: Uint32Array): void {
  for (let i = 0; i < SIZE; i++) {
    const y = (state[i]! & 0x80000000) | (state[(i + 1) % SIZE]! & 0x7fffffff);
    state[i] = state[(i + 397) % SIZE]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
  }
}
