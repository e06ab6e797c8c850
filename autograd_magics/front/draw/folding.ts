/** Goes from one folding of a picture to another: what was clicked stays where it is on the screen. */
import type { Context } from "../context";
import { inWords } from "../language";
import type { Box, Picture } from "../payload";
import { cornerOf, pictureOf, type Index } from "../picture";
import { dressed, scopesOf, type Open, type Scopes } from "../scopes";
import { batch, untracked, type Signal } from "../signals";
import type { Rect } from "../viewport";
import type { Scene } from "./scene";
import type { LayoutResult } from "../layout/scoped";
import { large } from "../slot";

/** What the graph shows, as far as it is needed here. */
export interface Shown {
  index: Index;
  scene: Scene;
  open: Open;
}

export interface Folding {
  /** Folds and unfolds; the box or group `anchor` stays where it is, else what is in the middle of the screen. */
  change(open: Open, anchor: string | null, then: () => void): void;
}

interface Following<S extends Shown> {
  context: Context;
  shown: Signal<S>;
  /** Makes what is shown of a picture. */
  make: (picture: Picture, open: Open) => S;
  /** The part of the picture that is on the screen. */
  sight: () => Rect;
  /** Called around each change of what is shown, to keep the focus. */
  around: (swap: () => void) => void;
  /** Called after a change that was not asked for here, as from a panel. */
  settle: () => void;
}

/** The picture of the present mode with these groups open; a promise where the layout takes its time. */
export function folded(scopes: Scopes, open: Open): Picture | Promise<Picture> {
  const { picture } = scopes;
  if (!picture.tree) return picture;
  const engine = large();
  if (scopes.isFirst(open) || !engine) return dressed(scopes, picture);
  const { tree, left_out } = picture;
  const placed = engine.layoutSoon(tree, open);
  const dress = (there: LayoutResult): Picture => ({ ...there, boxes: inWords(tree, there.boxes), left_out });
  return placed instanceof Promise ? placed.then(dress) : dress(placed);
}

export function followFolding<S extends Shown>(given: Following<S>): Folding {
  const { context, shown } = given;
  const { state, payload } = context;
  let [anchor, then]: [string | null, (() => void) | undefined] = [null, undefined];
  let turn = 0;
  context.effect(() => {
    const picture = pictureOf(payload, state.mode.value);
    const open = state.open.value;
    untracked(() => {
      const scopes = scopesOf(picture);
      const { index, open: last } = shown.value;
      const mine = (turn += 1);
      if (index.scopes === scopes && (last === open || scopes.groups.size === 0)) return;
      const put = (placed: Picture): void => {
        if (mine !== turn || context.stop.aborted) return;
        swap(given, placed, open, anchor);
        const after = then ?? given.settle;
        [anchor, then] = [null, undefined];
        after();
      };
      const placed = folded(scopes, open);
      if (placed instanceof Promise) void placed.then(put);
      else put(placed);
    });
  });
  return {
    change: (open, wanted, after) => {
      [anchor, then] = [wanted, after];
      if (sameGroups(open, state.open.value)) {
        [anchor, then] = [null, undefined];
        after();
      } else state.open.value = open;
    },
  };
}

function sameGroups(one: Open, other: Open): boolean {
  return one.size === other.size && [...one].every((id) => other.has(id));
}

function swap<S extends Shown>(given: Following<S>, picture: Picture, open: Open, anchor: string | null): void {
  const { context, shown, make, sight, around } = given;
  const { state } = context;
  const [before, next] = [shown.value, make(picture, open)];
  const old = state.view.value;
  around(() => {
    if (before.index.scopes !== next.index.scopes) {
      shown.value = next;
      return;
    }
    const [from, to] = stays(before.index, next.index, anchor, sight());
    const view = { k: old.k, x: old.x + (from[0] - to[0]) * old.k, y: old.y + (from[1] - to[1]) * old.k };
    batch(() => {
      state.untouched.value = false;
      state.view.value = view;
      shown.value = next;
    });
    next.scene.glideFrom(before.scene, (old.x - view.x) / old.k, (old.y - view.y) / old.k);
  });
}

/** Where what is to stay stands in one picture and in the other. */
function stays(before: Index, next: Index, anchor: string | null, sight: Rect): [[number, number], [number, number]] {
  const id = anchor ?? inMiddle(before, sight)?.id ?? "";
  const [from, to] = [before.boxes.get(before.seen(id)), next.boxes.get(next.seen(id))];
  return from && to ? [cornerOf(from), cornerOf(to)] : [[0, 0], [0, 0]];
}

function inMiddle({ boxes }: Index, { left, right, top, bottom }: Rect): Box | undefined {
  const far = (box: Box): number => Math.hypot(box.x - (left + right) / 2, box.y - (top + bottom) / 2);
  const nearer = (best: Box | undefined, box: Box): Box => (best && far(best) <= far(box) ? best : box);
  return [...boxes.values()].reduce<Box | undefined>(nearer, undefined);
}
