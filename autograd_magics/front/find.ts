/** Finding by name, operation, module, shape, line and finding, also what is folded. */
import { itemOf, type Group, type Item, type Payload, type Picture, type TreeBox } from "./payload";
import { inWords } from "./language";
import type { Related } from "./links";
import { scopesOf, type Scopes } from "./scopes";

export interface Where {
  payload: Payload;
  related: Related;
}

/** What is searched: texts of boxes and groups, in the order in which they are gone through. */
interface Entry {
  id: string;
  /** What stands in the picture, and what is told of it beside that. */
  text: string;
  title: string;
  /** A box after all in the picture that is left of it or above it, and a group before what is in it. */
  at: [number, number];
}

const entries = new WeakMap<Scopes, Entry[]>();
const last = new WeakMap<Scopes, { query: string; found: string[] }>();

/** Ids of the boxes and groups that a query means, as they are gone through; upper and lower case are the same. */
export function find(where: Where, picture: Picture, query: string): string[] {
  const wanted = query.trim().toLowerCase();
  if (wanted === "") return [];
  const scopes = scopesOf(picture);
  const known = last.get(scopes);
  if (known?.query === wanted) return known.found;
  const found = search(where, scopes, wanted);
  last.set(scopes, { query: wanted, found });
  return found;
}

function search(where: Where, scopes: Scopes, wanted: string): string[] {
  const items = itemsMeant(where, wanted);
  const all = entriesOf(scopes);
  if (items) return all.filter(({ id }) => items.has(itemOf(id))).map(({ id }) => id);
  // In shapes blanks do not count: "[4,3]" is "[4, 3]".
  const shape = /[[(×,]/.test(wanted);
  const plain = (text: string): string => (shape ? text.replace(/\s/g, "") : text);
  const meant = (text: string): boolean => plain(text).includes(plain(wanted));
  // What is called so comes before that of which it is only told.
  const called = all.filter(({ text }) => meant(text));
  const told = all.filter(({ text, title }) => !meant(text) && meant(title));
  return [...called, ...told].map(({ id }) => id);
}

/** The items of `:12`, `line 12` and `AG202`; null for any other query. */
function itemsMeant({ payload, related }: Where, wanted: string): Set<Item> | null {
  const [, word, line] = /^(:|\D+\s)\s*(\d+)$/.exec(wanted) ?? [];
  if (word && [":", "line", payload.text["ui.line"]?.toLowerCase()].includes(word.trim())) {
    const lines = payload.source.flatMap((source) => source.lines).filter(({ n }) => n === Number(line));
    if (lines.length > 0) return new Set(lines.flatMap(({ id }) => [...related(id)]));
  }
  if (!/^ag\d/.test(wanted)) return null;
  const findings = payload.findings.filter(({ code }) => code.toLowerCase().startsWith(wanted));
  return new Set(findings.flatMap(({ links }) => links));
}

function entriesOf(scopes: Scopes): Entry[] {
  let known = entries.get(scopes);
  if (known) return known;
  const { groups } = scopes.tree;
  const boxes = inWords(scopes.tree, scopes.tree.boxes);
  const order = ({ x = 0, y = 0 }: TreeBox, i: number): [number, number] => (groups.length > 0 ? [i, 1] : [x, y]);
  known = [
    ...boxes.map((box, i) => {
      return { id: box.id, text: textOf(box), title: (box.title ?? "").toLowerCase(), at: order(box, i) };
    }),
    ...groups.map((group, i): Entry => {
      return { id: group.id, text: textOfGroup(scopes, group, i), title: "", at: [group.first, 0] };
    }),
  ].sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1]);
  entries.set(scopes, known);
  return known;
}

function textOf({ label = "", sub = "", name = "" }: TreeBox): string {
  return `${label} ${sub}\n${name} ${sub}`.toLowerCase();
}

/** A group is found by what it is called, alone and after the names of those around it. */
function textOfGroup(scopes: Scopes, { label, sub, title }: Group, at: number): string {
  const path = scopes.around(at).filter(({ kind }) => kind === "module").map((group) => group.label);
  return `${label} ${sub}\n${path.join(".")}\n${title}\n${title.replace(/\[(\w+)\]/g, ".$1")}`.toLowerCase();
}
