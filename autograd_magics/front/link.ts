/** Keeps the selection of a view and of the kernel the same, and carries nudges there and their outcome back. */
import { hub, type Link } from "./hub";
import { effect } from "./signals";
import { readAnswer } from "./nudge";
import type { Item } from "./payload";
import { isGroup } from "./scopes";
import type { State } from "./state";

/** Follows the link of a run, now or when it comes, for as long as the view exists. */
export function followLink(run: string, state: State): void {
  // The hub lives as long as the page, so it must not be what keeps a view alive that the notebook threw away.
  const view = new WeakRef(state);
  let release = (): void => undefined;
  const listen = (link: Link | null): void => {
    release();
    release = (): void => undefined;
    const there = view.deref();
    if (!there) return;
    there.live.value = link !== null;
    if (link) release = join(there, link);
  };
  const { views, models } = hub();
  (views[run] ??= []).push(listen);
  const link = models[run];
  if (link) listen(link);
}

/** Groups are only in the picture: the kernel knows nothing of them. */
export function known(item: Item): Item {
  return isGroup(item) ? "" : item;
}

function join(state: State, link: Link): () => void {
  const read = (): void => {
    const item = String(link.get("selection") ?? "");
    if (item !== known(state.selection.value)) state.selection.value = item;
  };
  if (state.selection.value === "") read();
  const off = link.on("selection", read);
  const end = effect(() => {
    const item = known(state.selection.value);
    if (link.get("selection") !== item) link.set("selection", item);
  });
  const leave = joinNudges(state, link);
  return () => {
    off();
    end();
    leave();
  };
}

/** Sends what is asked of the recorded calls, and takes the answers in. */
export function joinNudges(state: State, link: Link): () => void {
  const off = link.on("nudged", () => void (state.nudged.value = readAnswer(link.get("nudged"))));
  const end = effect(() => {
    if (state.asked.value) link.set("nudge", state.asked.value);
  });
  return () => {
    off();
    end();
    state.asked.value = null;
    state.nudged.value = null;
  };
}
