/** The layout of a tree off the main thread where it takes longer than a frame, and where workers are allowed. */
import type { Tree } from "../payload";
import type { Known } from "./arrange";
import { engine, type Engine } from "./engine";
import type { Arrangement, Nest } from "./nest";
import { dressed, effort, layoutTree, nestOf, opened, type LayoutResult } from "./scoped";

/** Boxes to place anew that take a frame. */
const FRAME = 150;
/** Milliseconds after which a worker that has not come to life is given up. */
const PATIENCE = 2000;
/** Milliseconds after which a worker that nobody asks is ended: the view that had it may be gone. */
const IDLE = 30_000;

interface Question {
  id: number;
  tree: number;
  /** Only when the worker sees this tree for the first time. */
  nest: Nest | null;
  open: Uint8Array;
}

interface Answer {
  id: number;
  found: Arrangement;
}

interface Remote {
  worker: Worker;
  /** The number by which the worker knows a tree. */
  trees: WeakMap<Tree, number>;
  count: number;
  /** What is asked and not answered yet: with an arrangement, or with null where there is no worker any more. */
  waiting: Map<number, (found: Arrangement | null) => void>;
}

let remote: Remote | null = null;
let clock: ReturnType<typeof setTimeout> | undefined;
let forbidden = false;
/** What was open when a tree was last placed on the main thread. */
const before = new WeakMap<Tree, Uint8Array>();

/** What `layoutTree` returns; at once where that takes less than a frame, or has to be. */
export function layoutSoon(tree: Tree, open: ReadonlySet<string>): LayoutResult | Promise<LayoutResult> {
  const marks = opened(tree, open);
  if (!remote?.trees.has(tree)) {
    const little = effort(nestOf(tree), marks, before.get(tree) ?? null) <= FRAME;
    if (little || !started()) {
      before.set(tree, marks);
      return layoutTree(tree, open);
    }
  }
  return ask(remote!, tree, marks).then((found) => (found ? dressed(tree, found) : layoutTree(tree, open)));
}

function ask(asked: Remote, tree: Tree, open: Uint8Array): Promise<Arrangement | null> {
  const { worker, trees, waiting } = asked;
  const id = (asked.count += 1);
  const nest = trees.has(tree) ? null : nestOf(tree);
  if (nest) trees.set(tree, id);
  return new Promise((resolve) => {
    waiting.set(id, resolve);
    worker.postMessage({ id, tree: trees.get(tree)!, nest, open } satisfies Question);
  });
}

/** Whether there is a worker to ask. */
function started(): boolean {
  if (remote || forbidden || typeof Worker === "undefined") return remote !== null;
  try {
    const code = `(${String(serve)})((${String(engine)})())`;
    const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const worker = new Worker(url);
    const waiting: Remote["waiting"] = new Map();
    remote = { worker, trees: new WeakMap(), count: 0, waiting };
    clock = setTimeout(giveUp, PATIENCE);
    worker.onerror = giveUp;
    worker.onmessage = ({ data }: MessageEvent<Answer | null>) => {
      clearTimeout(clock);
      URL.revokeObjectURL(url);
      if (!data) return;
      const answer = waiting.get(data.id);
      waiting.delete(data.id);
      clock = setTimeout(() => waiting.size || end(), IDLE);
      answer?.(data.found);
    };
  } catch {
    forbidden = true;
  }
  return remote !== null;
}

/** From now on everything is placed here. */
function giveUp(): void {
  forbidden = true;
  end();
}

/** Ends the worker; what is still waited for is placed here. */
function end(): void {
  const { worker, waiting } = remote ?? {};
  remote = null;
  clearTimeout(clock);
  worker?.terminate();
  waiting?.forEach((answer) => answer(null));
}

/** What the worker does; says null when it lives. It is made of this text, so nothing outside can be used in here. */
function serve({ arrange }: Engine): void {
  const nests = new Map<number, [Nest, Known]>();
  const answer = postMessage as (data: Answer | null) => void;
  onmessage = ({ data: { id, tree, nest, open } }: MessageEvent<Question>) => {
    if (nest) nests.set(tree, [nest, new Map()]);
    const [mine, known] = nests.get(tree)!;
    answer({ id, found: arrange(mine, open, known) });
  };
  answer(null);
}
