/** The language of a view.  Where sentences belong the payload has keys with their data; `languages` has the words. */
import type { Group, Payload, Say, Tree, TreeBox } from "./payload";
import type { Words } from "./text";

/** As in `views/languages.py`: before a key, before each value, after the last; the places of values in a sentence. */
const [OPEN, NEXT, CLOSE, HOLE, LAST] = [0xfdd0, 0xfdd1, 0xfdd2, 0xfdd3, 0xfdef].map((code) => String.fromCharCode(code));
const MARK = RegExp(`([${OPEN}${NEXT}${CLOSE}])`);
const HOLES = RegExp(`[${HOLE}-${LAST}]`, "g");

const STORE = "autograd_magics.lang";

/** Codes and names of the languages there are, each named in itself. */
export function languagesOf({ languages = {} }: Payload): [string, string][] {
  return Object.entries(languages).map(([lang, words]) => [lang, words["ui.language_name"] ?? lang]);
}

/** The payload in finished sentences of one language; as it is where it has no words of that language. */
export function spoken(payload: Payload, lang: string): Payload {
  const { languages, ...rest } = payload;
  const words = languages?.[lang];
  if (!words) return payload;
  const known = new Map<string, string>();
  const say = (text: string): string => {
    const said = known.get(text) ?? sentence(text, words);
    known.set(text, said);
    return said;
  };
  const front = Object.entries(words).filter(([key]) => key.startsWith("ui."));
  return { ...(walk(rest, say) as Payload), lang, text: Object.fromEntries(front), languages };
}

/** The same value where nothing is to be said in it: most of a large payload is not copied. */
function walk(value: unknown, say: Say): unknown {
  if (typeof value === "string") return value.includes(OPEN ?? "") ? say(value) : value;
  if (value === null || typeof value !== "object") return value;
  const given = value as Record<string, unknown>;
  if (Array.isArray(value) && typeof value[0] === "number" && typeof value.at(-1) === "number") return value;
  let copy: Record<string, unknown> | null = null;
  for (const key in given) {
    const said = key === "tree" ? speaking(given[key] as Tree, say) : walk(given[key], say);
    if (said === given[key]) continue;
    copy ??= (Array.isArray(value) ? value.slice() : { ...given }) as Record<string, unknown>;
    copy[key] = said;
  }
  return copy ?? value;
}

/** The very many boxes of a tree are put into words when they are needed. */
function speaking(tree: Tree, say: Say): Tree {
  return { ...tree, groups: walk(tree.groups, say) as Group[], say };
}

/** Boxes of a tree in words. */
export function inWords<B extends TreeBox>({ say }: Tree, boxes: B[]): B[] {
  return say ? (walk(boxes, say) as B[]) : boxes;
}

/** A text with codes in it, which may stand in each other, in these words. */
export function sentence(text: string, words: Words): string {
  const stack: string[][] = [[""]];
  for (const piece of text.split(MARK)) {
    if (piece === OPEN) stack.push([""]);
    else if (piece === NEXT) stack.at(-1)?.push("");
    else if (piece === CLOSE && stack.length > 1) append(stack, filled(stack.pop() ?? [], words));
    else append(stack, piece);
  }
  return stack.map((parts) => parts.join("")).join("");
}

function append(stack: string[][], piece: string): void {
  const parts = stack.at(-1);
  parts?.push((parts.pop() ?? "") + piece);
}

function filled([key = "", ...values]: string[], words: Words): string {
  if (key === "clip") return clip(values[1] ?? "", Number(values[0]));
  return (words[key] ?? key).replace(HOLES, (hole) => values[hole.charCodeAt(0) - 0xfdd3] ?? "");
}

const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]/;

/** Columns of a terminal, as `columns` in `views/format.py`. */
function columns(character: string): number {
  return /[\p{Mn}\p{Me}\p{Cf}]/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}

/** The text cut to at most `limit` columns, ending in an ellipsis where something was cut. */
export function clip(text: string, limit: number): string {
  const characters = [...text];
  const width = (some: string[]): number => some.reduce((sum, character) => sum + columns(character), 0);
  if (width(characters) <= limit) return text;
  let kept = characters.length;
  while (kept > 0 && width(characters.slice(0, kept)) > limit - 1) kept -= 1;
  return `${characters.slice(0, kept).join("").trimEnd()}…`;
}

/** The language that the reader chose last, in whatever output of ours, where this payload has it; else its own. */
export function openingLanguage(payload: Payload): string {
  const last = remembered();
  return last !== null && payload.languages?.[last] ? last : payload.lang;
}

// Storage is refused to pages in a sandbox, as of some web hosts: then each view begins in its own language.
function remembered(): string | null {
  try {
    return localStorage.getItem(STORE);
  } catch {
    return null;
  }
}

export function remember(lang: string): void {
  try {
    localStorage.setItem(STORE, lang);
  } catch {
    return;
  }
}
