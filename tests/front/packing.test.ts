/// <reference types="vite/client" />
import { describe, expect, it } from "vitest";
import { unpacked } from "../../autograd_magics/front/packing";

type Pairs = Record<string, { value: unknown; packed: unknown }>;

/** What `tests/views/test_packing.py` holds to be what Python writes. */
const PAIRS = Object.values(import.meta.glob<Pairs>("./packing.json", { eager: true, import: "default" }))[0] ?? {};

describe("unpacked", () => {
  it.each(Object.entries(PAIRS))("reads %s as Python packs it", (_, { value, packed }) => {
    expect(unpacked(packed)).toEqual(value);
  });

  it("leaves what is not packed", () => {
    const data = { a: [1, { b: null }], c: "text", d: false };
    expect(unpacked(data)).toEqual(data);
  });

  it("reads a hundred thousand rows quickly", () => {
    const many = Array.from({ length: 100_000 }, () => 1);
    const rows = { $: "r", n: 100_000, k: { id: { v: { $: "i", k: "c".repeat(100_000), v: many } }, at: { v: many } } };
    const begin = performance.now();
    const read = unpacked(rows) as { id: string }[];
    expect(read.at(-1)?.id).toBe("c100000");
    expect(performance.now() - begin).toBeLessThan(2000);
  });
});
