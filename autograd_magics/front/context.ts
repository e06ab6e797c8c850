/** What every drawing function is given. */
import type { Related } from "./links";
import type { Item, Payload } from "./payload";
import type { State } from "./state";
import type { Translate } from "./text";

export interface Context {
  payload: Payload;
  state: State;
  t: Translate;
  related: Related;
  /** Like `effect` of signals.ts, and ended with the view. */
  effect(work: () => void): void;
  /** Aborts when the view is taken away. */
  stop: AbortSignal;
}

/** Names of every item that counts as selected or as related to it, for one look at many elements. */
export function markOf(context: Context): (item: Item) => "selected" | "related" | "" {
  const selection = context.state.selection.value;
  if (selection === "") return () => "";
  const related = context.related(selection);
  return (item) => (item === selection ? "selected" : related.has(item) ? "related" : "");
}
