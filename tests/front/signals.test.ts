import { expect, test, vi } from "vitest";
import { batch, effect, signal, untracked } from "../../autograd_magics/front/signals";

test("an effect runs now and after each change of what it read", () => {
  const name = signal("a");
  const seen: string[] = [];
  effect(() => void seen.push(name.value));
  name.value = "b";
  name.value = "b";
  expect(seen).toEqual(["a", "b"]);
});

test("an effect forgets what it no longer reads", () => {
  const which = signal(true);
  const one = signal(1);
  const work = vi.fn(() => void (which.value && one.value));
  effect(work);
  which.value = false;
  one.value = 2;
  expect(work).toHaveBeenCalledTimes(2);
});

test("several changes in a batch are one", () => {
  const [a, b] = [signal(1), signal(2)];
  const sums: number[] = [];
  effect(() => void sums.push(a.value + b.value));
  batch(() => {
    a.value = 10;
    b.value = 20;
  });
  expect(sums).toEqual([3, 30]);
});

test("an ended effect does not run again, and untracked reading makes no user", () => {
  const value = signal(1);
  const work = vi.fn(() => void value.value);
  const end = effect(work);
  end();
  const quiet = vi.fn(() => void untracked(() => value.value));
  effect(quiet);
  value.value = 2;
  expect(work).toHaveBeenCalledTimes(1);
  expect(quiet).toHaveBeenCalledTimes(1);
});

test("an effect that changes what another reads brings that one up to date", () => {
  const [input, doubled] = [signal(1), signal(0)];
  const seen: number[] = [];
  effect(() => void seen.push(doubled.value));
  effect(() => void (doubled.value = input.value * 2));
  input.value = 4;
  expect(seen).toEqual([0, 2, 8]);
});
