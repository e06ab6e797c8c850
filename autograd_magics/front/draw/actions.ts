/** What can be done in the graph with what is selected: paths, unfolding, and all about a group. */
import type { Context } from "../context";
import { h, rich, type Child } from "../dom";
import type { Way } from "../path";
import type { Item } from "../payload";
import { pictureOf } from "../picture";
import { isGroup, scopesOf, toggled, unfoldedAlike, unfoldedTo, type Open, type Scopes } from "../scopes";
import { findingCard } from "./parts";

const WAYS: Record<Way, string> = { loss: "ui.path_loss", leaves: "ui.path_leaves" };

/** Buttons under the title of what is selected; null where the picture has nothing of it. */
export function actionsOf(context: Context, item: Item): HTMLElement | null {
  const { t, state, payload } = context;
  const scopes = scopesOf(pictureOf(payload, state.mode.value));
  const items = [item, ...context.related(item)].filter((one) => isGroup(one) || scopes.boxesOf(one).length > 0);
  if (items.length === 0 || state.selection.value !== item) return null;
  const ways = (["loss", "leaves"] as const).map((way) => wayButton(context, way));
  const hidden = hiddenIn(scopes, state.open.value, items[0] ?? "");
  const show = (): void => set(context, unfoldedTo(scopes, state.open.value, hidden ?? ""));
  const unfold = hidden && button(t("ui.show_inside", { name: nameIn(scopes, hidden) }), show);
  const look = { class: "actions", role: "group", "aria-label": t("ui.in_graph") };
  return h("div", look, unfold, ...groupButtons(context, scopes, item), ...ways);
}

function groupButtons(context: Context, scopes: Scopes, id: Item): Child[] {
  const { t, state } = context;
  if (!scopes.groups.has(id)) return [];
  const open = state.open.value;
  const alike = scopes.alike(id).length;
  return [
    button(t(open.has(id) ? "ui.fold_this" : "ui.unfold_this"), () => set(context, toggled(open, id))),
    alike > 1 && button(t("ui.unfold_alike", { n: alike }), () => set(context, unfoldedAlike(scopes, open, id))),
  ];
}

/** The box or group to be unfolded to; null where all of an item is seen, or nothing of it is there. */
function hiddenIn(scopes: Scopes, open: Open, item: Item): string | null {
  const ids = isGroup(item) ? [item] : scopes.boxesOf(item).map((box) => scopes.tree.boxes[box]?.id ?? "");
  const folded = (id: string): boolean => scopes.holders(id).some((group) => !open.has(group.id));
  return ids.length > 0 && ids.every(folded) ? (ids[0] ?? null) : null;
}

/** The innermost group around a box, after those around it. */
function nameIn(scopes: Scopes, id: string): string {
  return scopes.holders(id).map(({ label }) => label).join(" \u203a ");
}

function set({ state }: Context, open: Open): void {
  state.open.value = open;
}

function wayButton({ t, state }: Context, way: Way): HTMLElement {
  const onclick = (): void => void (state.path.value = state.path.value === way ? "" : way);
  const element = button(t(WAYS[way]), onclick);
  element.setAttribute("aria-pressed", String(state.path.value === way));
  return element;
}

function button(words: string, onclick: () => void): HTMLButtonElement {
  return h("button", { type: "button", class: "chip", onclick }, words);
}

/** All about a group: what it is, where it stands, what is in it; in short where there are no rows about it. */
export function detailsOfGroup(context: Context, id: Item, rows?: HTMLElement): Child[] {
  const { payload, state } = context;
  const scopes = scopesOf(pictureOf(payload, state.mode.value));
  const group = scopes.group(id);
  if (!group) return [];
  const names = scopes.holders(id).map(({ label }) => label);
  const inside = new Set(scopes.boxesIn(id).flatMap((box) => scopes.tree.boxes[box]?.id ?? []));
  const findings = payload.findings.filter(({ links }) => links.some((link) => inside.has(link)));
  return [
    h("h4", null, h("span", null, group.label), " ", h("code", { class: "dim" }, group.sub)),
    names.length > 0 && h("p", { class: "dim" }, names.join(" \u203a ")),
    actionsOf(context, id),
    rows ?? h("ul", { class: "plain" }, ...group.facts.map((fact) => h("li", null, ...rich(fact)))),
    ...findings.map((finding) => findingCard(context, finding)),
  ];
}
