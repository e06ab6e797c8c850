// @vitest-environment node
import * as esbuild from "esbuild";
import { afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import golden from "../golden/tree.json";
import { inlineEngine } from "../../autograd_magics/front/layout/inline.mjs";
import { layoutTree } from "../../autograd_magics/front/layout/scoped";
import type { layoutSoon } from "../../autograd_magics/front/layout/worker";
import type { Group, Tree } from "../../autograd_magics/front/payload";

const ENTRY = `
  export { layoutSoon } from "./autograd_magics/front/layout/worker";
  export { layoutTree } from "./autograd_magics/front/layout/scoped";
`;

interface Bundle {
  layoutSoon: typeof layoutSoon;
  layoutTree: typeof layoutTree;
}

let text = "";

beforeAll(async () => {
  const stdin = { contents: ENTRY, resolveDir: ".", loader: "ts" } as const;
  const how = { bundle: true, minify: true, write: false, format: "iife", globalName: "made" } as const;
  const made = await esbuild.build({ stdin, plugins: [inlineEngine("es2022")], ...how });
  text = made.outputFiles[0]!.text;
});

/** The layout as it is in the bundle, newly loaded. */
function loaded(): Bundle {
  return new Function(`${text}; return made;`)() as Bundle;
}

/** A group with a chain of so many boxes, and one box after it. */
function chain(count: number): Tree {
  const boxes = Array.from({ length: count + 1 }, (_, i) => (
    { id: `t${i}`, shape: "circle", style: "call", w: 36, h: 40, cw: 36, ch: 36 } as const
  ));
  const group: Group = {
    id: "g0", parent: -1, kind: "module", label: "layer", sub: "Linear", title: "", alike: 0, count,
    w: 90, h: 30, head: 80, open: false, facts: [], badge: "", severity: "", first: 0,
  };
  return {
    boxes, scope: boxes.map((_, i) => (i < count ? 0 : -1)), groups: [group],
    links: boxes.slice(1).map((_, i) => [i, i + 1, "data"]),
  };
}

const OPEN = new Set(["g0"]);
const LARGE = chain(400);
const blobs: Blob[] = [];
let told = 0;

/** A worker that runs in this thread, in a scope of its own. */
class Near {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: (() => void) | null = null;
  ended = false;
  readonly #run = blobs.at(-1)!.text().then((code) => {
    const answer = (data: unknown): void => void (this.ended || this.onmessage?.({ data: structuredClone(data) }));
    const start = new Function("postMessage", "onmessage", `${code}; return onmessage;`);
    return start(answer, null) as (event: unknown) => void;
  });

  postMessage(data: unknown): void {
    told++;
    const copy = structuredClone(data);
    void this.#run.then((run) => run({ data: copy })).catch(() => this.onerror?.());
  }

  terminate(): void {
    this.ended = true;
  }
}

beforeEach(() => {
  told = 0;
  vi.stubGlobal("Worker", Near);
  vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => `blob:${blobs.push(blob as Blob)}`);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("the layout in the bundle, with shortened names, is the same", () => {
  const bundle = loaded();
  for (const { tree, cases } of golden as unknown as { tree: Tree; cases: { open: number[] }[] }[]) {
    for (const { open } of cases) {
      const ids = new Set(open.map((group) => tree.groups[group]!.id));
      expect(bundle.layoutTree(tree, ids)).toEqual(layoutTree(tree, ids));
    }
  }
});

test("little is placed at once, without a worker", () => {
  const { layoutSoon } = loaded();
  expect(layoutSoon(LARGE, new Set())).toEqual(layoutTree(LARGE, new Set()));
  expect(layoutSoon(chain(20), OPEN)).toHaveProperty("boxes");
  expect(told).toBe(0);
});

test("much is placed by a worker, which keeps the tree", async () => {
  const { layoutSoon } = loaded();
  const sent = vi.spyOn(Near.prototype, "postMessage");
  const first = layoutSoon(LARGE, OPEN);
  expect(first).toBeInstanceOf(Promise);
  expect(await first).toEqual(layoutTree(LARGE, OPEN));
  expect(await layoutSoon(LARGE, new Set())).toEqual(layoutTree(LARGE, new Set()));
  expect(sent.mock.calls.map(([question]) => (question as { nest: unknown }).nest !== null)).toEqual([true, false]);
});

test("where no worker can be made everything is placed at once", () => {
  vi.stubGlobal("Worker", class {
    constructor() {
      throw new DOMException("not here", "SecurityError");
    }
  });
  expect(loaded().layoutSoon(LARGE, OPEN)).toEqual(layoutTree(LARGE, OPEN));
});

test("where there are no workers everything is placed at once", () => {
  vi.stubGlobal("Worker", undefined);
  expect(loaded().layoutSoon(LARGE, OPEN)).toEqual(layoutTree(LARGE, OPEN));
});

test("a worker that fails is given up, and what it was asked is placed here", async () => {
  const { layoutSoon } = loaded();
  vi.spyOn(Near.prototype, "postMessage").mockImplementation(function (this: Near) {
    queueMicrotask(() => this.onerror?.());
  });
  const [one, other] = [layoutSoon(LARGE, OPEN), layoutSoon(LARGE, new Set())];
  expect(await one).toEqual(layoutTree(LARGE, OPEN));
  expect(await other).toEqual(layoutTree(LARGE, new Set()));
  expect(layoutSoon(LARGE, OPEN)).not.toBeInstanceOf(Promise);
});

test("a worker that nobody asks is ended, and another one made when there is work again", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { layoutSoon } = loaded();
  const ended = vi.spyOn(Near.prototype, "terminate");
  await layoutSoon(LARGE, OPEN);
  await vi.advanceTimersByTimeAsync(20_000);
  await layoutSoon(LARGE, new Set());
  await vi.advanceTimersByTimeAsync(20_000);
  expect(ended).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(ended).toHaveBeenCalledOnce();
  expect(await layoutSoon(LARGE, OPEN)).toEqual(layoutTree(LARGE, OPEN));
  expect(told).toBe(3);
});

test("a worker that does not come to life is not waited for", async () => {
  vi.useFakeTimers();
  vi.stubGlobal("Worker", class {
    postMessage(): void {
      told++;
    }
    terminate(): void {
      told += 10;
    }
  });
  const asked = loaded().layoutSoon(LARGE, OPEN);
  await vi.advanceTimersByTimeAsync(2500);
  expect(await asked).toEqual(layoutTree(LARGE, OPEN));
  expect(told).toBe(11);
});
