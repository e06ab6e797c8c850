/** What `views/payload.py` sends: everything that is drawn, with coordinates and in finished sentences. */
import type { Columns } from "./columns";
import type { Leaf } from "./nudge";
import type { Words } from "./text";

export interface Payload {
  format: 1;
  /** Random hex of the recording. */
  run: string;
  lang: string;
  theme: Theme;
  /** Words of the view itself, by key. */
  text: Words;
  /** By language: all words that are used.  Where they are there, keys stand in the place of sentences. */
  languages?: Record<string, Words>;
  title: string;
  cell: string;
  summary: string[];
  headline: string;
  notices: string[];
  /** What could be asked for besides; nothing is wrong. */
  hints?: string[];
  pictures: { forward: Picture; backward: Picture };
  /** By item id; see `Item`. */
  details: Record<string, Detail>;
  related: Record<Item, Item[]>;
  /** Of a large recording: what is told briefly of the items that have no details. */
  columns?: Columns;
  /** The leaves that a slider can nudge. */
  nudge?: Record<Item, Leaf>;
  gradients: Ledger[];
  health?: Health;
  saved: SavedTable;
  findings: Finding[];
  source: Source[];
  timeline?: Timeline;
}

export type Theme = "auto" | "light" | "dark";

export function isTheme(name: unknown): name is Theme {
  return name === "auto" || name === "light" || name === "dark";
}

/** `t5` tensor, `c3` call, `n7` node, `b0` backward, `s1` saved tensor, `f0` finding, `L0:5` line 5 of source 0. */
export type Item = string;

export interface Picture {
  width: number;
  height: number;
  boxes: Box[];
  wires: Wire[];
  /** How many boxes are not drawn because there would be too many. */
  left_out: number;
  /** The open groups among `boxes`, outer ones first. */
  frames?: Frame[];
  /** All that can be unfolded; none where nothing is folded.  `boxes`, `wires` and `frames` are what is seen at first. */
  tree?: Tree;
}

/** An open group: its border, with a header along the upper side. */
export interface Frame {
  /** That of its group. */
  id: string;
  label: string;
  sub: string;
  /** The upper left corner, in px. */
  x: number;
  y: number;
  w: number;
  h: number;
  /** How many open groups are around it. */
  depth: number;
  /** Height of the header, in px. */
  head: number;
  badge?: string;
  severity?: Severity | "";
}

/** A picture before anything is placed: every box, and the groups that they stand in. */
export interface Tree {
  boxes: TreeBox[];
  /** For each box the index of its innermost group, -1 for none. */
  scope: number[];
  /** From and to as indices of boxes. */
  links: [number, number, Wire["kind"]][];
  /** Those around a group come before it. */
  groups: Group[];
  /** Puts texts of boxes into words, where they are not. */
  say?: Say;
}

export type Say = (text: string) => string;

/** A box without a place; what is as in most boxes is left out, see `DEFAULTS` in scopes.ts. */
export type TreeBox = Pick<Box, "id" | "shape" | "style" | "w" | "h" | "cw" | "ch"> & Partial<Box>;

export interface Group {
  /** `g12` in the forward picture, `h12` in the backward one. */
  id: string;
  /** The index of the group around it, -1 for none. */
  parent: number;
  kind: "module" | "run" | "chunk";
  label: string;
  /** The type of a module, `×12` of a run. */
  sub: string;
  title: string;
  /** Groups with the same number have the same structure. */
  alike: number;
  /** How many nodes are inside. */
  count: number;
  /** Size of the folded box, in px. */
  w: number;
  h: number;
  /** Width that its header needs when it is open. */
  head: number;
  /** Whether it is open at first. */
  open: boolean;
  /** What stands on the folded box, at most two lines. */
  facts: string[];
  badge: string;
  severity: Severity | "";
  /** The index of the first box inside. */
  first: number;
}

export interface Box {
  /** An item, or `t5~2` for a repetition of it. */
  id: string;
  /** `group`: a folded group, with the id of that. */
  shape: "circle" | "pill" | "rect" | "wire" | "tag" | "group";
  style: "leaf" | "input" | "call" | "result" | "cut" | "failed" | "node" | "accumulate" | "unseen" | "scope";
  /** Centre, in px. */
  x: number;
  y: number;
  /** Room that the layout kept for shape and texts. */
  w: number;
  h: number;
  /** The shape itself. */
  cw: number;
  ch: number;
  label: string;
  sub: string;
  name: string;
  above: string;
  below: string;
  below_dim: boolean;
  /** Mean and spread, or what is odd, of a larger tensor, and of its gradient. */
  above_figures?: string;
  below_figures?: string;
  title: string;
  ghost_of: string | null;
  /** The order of derivatives that it belongs to, 1 where nothing is said; 0 for all that it is wired to. */
  layer?: number;
  /** `changed`: a hook changed the gradient here.  `late`: a hook runs after `.grad` was written. */
  hook?: "changed" | "late";
  badge: string;
  severity: Severity | "";
  /** Of a folded run: more of the same behind it. */
  stacked?: boolean;
}

export type Severity = "note" | "warning" | "error";

export interface Wire {
  id: string;
  from: string;
  to: string;
  /** An SVG path in px. */
  d: string;
  arrow: boolean;
  kind: "data" | "cut" | "state";
}

export interface Detail {
  title: string;
  subtitle: string;
  /** `alarm`: the value must not be overlooked. */
  rows: { label: string; value: string; mono: boolean; link: Item | null; alarm?: boolean }[];
  findings: Item[];
  charts?: Chart[];
}

/** A distribution of values: `said` tells in a sentence what is drawn; `low` and `high` are the ends of its scale. */
export type Chart = { title: string; said: string; low: string; high: string } & (
  | { kind: "bins"; bins: number[] }
  /** Shades from -8 to 8, of which the sign is the colour; null where there is no value.  `ends`: those of the scale. */
  | { kind: "cells"; cells: (number | null)[][]; ends: [number, number] }
);

export interface Ledger {
  id: Item;
  name: string;
  shape: string;
  now: string;
  rows: LedgerRow[];
  /** Curves, where there are many steps. */
  plot?: Plot | null;
}

/** Curves in px, drawn as they come; see `views/plot.py`. */
export interface Plot {
  width: number;
  height: number;
  /** SVG paths. */
  axes: string[];
  faint: string[];
  /** `dash` tells lines apart without colour, `label` says in words what they show; `sample` stands before that. */
  lines: { d: string; label: string; dash: number; sample?: string }[];
  /** Each begins at its place, or ends there. */
  texts: { x: number; y: number; text: string; end: boolean }[];
}

/** How gradients fare; see `views/health.py`. */
export interface Health {
  /** How to get figures that are not there. */
  hint: string;
  tables: HealthTable[];
  plot: Plot | null;
  /** By item or group, and by wire from one item to another, `n3>n7`, where that differs from what arrived there. */
  items: Record<Item, GradientSize>;
  wires: Record<string, GradientSize>;
  /** Bands of so many decades, from 10 to the power of `low` to that of `high`. */
  scale: { low: number; high: number; step: number; bands: number } | null;
}

/** Root mean square, 0 for nothing but zeros. */
export type GradientSize = number | "nan" | "inf";

export interface HealthTable {
  title: string;
  columns: string[];
  rows: HealthRow[];
  /** How many rows are left out. */
  more: string;
}

/** `keys`: numbers by which a column is sorted, null where the text is. */
export interface HealthRow {
  id: Item | null;
  cells: string[];
  keys: (number | null)[];
  size: GradientSize | null;
}

export interface LedgerRow {
  kind: string;
  what: string;
  before: string;
  added: string;
  after: string;
  /** Of a change of the leaf's own value: before and after; empty for changes of `.grad`. */
  was?: string;
  value?: string;
  line: string;
  link: Item | null;
  by: Item | null;
  finding: Item | null;
}

export interface SavedTable {
  total: string;
  rows: SavedRow[];
  memory?: Memory | null;
}

/** What backward holds; see `views/memory.py`. */
export interface Memory {
  /** Sentences: where most was held, and below all what is left and what is odd. */
  said: string[];
  notes: string[];
  tables: MemoryTable[];
}

/** What was held when most was, by one thing; `heads` are those of `numbers`. */
export interface MemoryTable {
  by: string;
  heads: string[];
  rows: MemoryRow[];
  more: string;
  note: string;
}

export interface MemoryRow {
  name: string;
  link: Item | null;
  /** Of the peak, from 0 to 1. */
  share: number;
  numbers: number[];
  texts: string[];
}

/** Bytes held over the moments of the timeline, in px. */
export interface MemoryChart {
  width: number;
  height: number;
  /** Where the first moment begins and the last one ends. */
  left: number;
  right: number;
  axis: string;
  /** The backwards: x, width, y, height. */
  runs: [number, number, number, number][];
  /** All that is held, and what of it would be there anyway. */
  areas: string[];
  peak: [number, number];
  texts: Plot["texts"];
  /** Words for the areas and the backwards, in that order. */
  legend: string[];
}

export interface SavedRow {
  id: Item;
  node: Item;
  node_name: string;
  slot: string;
  owner: string;
  owner_id: Item | null;
  shape: string;
  dtype: string;
  device: string;
  bytes: string;
  shared: string;
  state: string;
  freed: boolean;
  link: Item | null;
  line: string;
}

export interface Finding {
  id: Item;
  code: string;
  severity: Severity;
  title: string;
  message: string;
  fix: string;
  /** PyTorch's own words, where it had any. */
  torch: string;
  ends: { label: string; link: Item | null }[];
  links: Item[];
  /** The finding that caused this one, under which it is shown. */
  cause?: Item | null;
}

export interface Source {
  id: string;
  label: string;
  main: boolean;
  lines: SourceLine[];
}

export interface SourceLine {
  n: number;
  id: Item;
  text: string;
  made: string;
  saved: string;
  grad: string;
  /** [first column, column after the last, item], in characters. */
  marks: [number, number, Item][];
  findings: Item[];
}

/** What stands somewhere from each moment on: `[moment, text]`, in order. */
export type History = [number, string][];

/** The recording moment by moment; moments are indices of its events. */
export interface Timeline {
  /** For each event a letter: f call, u change of values, b begin or end of a backward, s step, g `.grad`, x error. */
  kinds: string;
  /** For each event what it is about, the best to be shown first. */
  items: Item[][];
  /** For each event its line, and the item under which its span is marked there; "" for none. */
  lines: Item[];
  marks: Item[];
  captions: string[];
  /** First and last event of each backward. */
  runs: [number, number][];
  findings: [number, Item][];
  /** Event with which an iteration begins, its number, and 1 for the outermost loop. */
  iterations: [number, string, number][];
  /** The event before which others are left out, and how many. */
  gap: [number, string] | null;
  pictures: { forward: PictureTimes; backward: PictureTimes };
  /** In the order of the rows: kept from and until, -1 for never; what is kept in all. */
  saved: { lives: [number, number][]; total: History; kept: string };
  memory?: MemoryChart | null;
  /** In the order of the ledgers and their rows. */
  ledgers: { rows: number[]; now: History }[];
  /** By item the rows of its details that are not true at any time: index, since when, ledger of what it holds or -1. */
  details: Record<Item, [number, number, number][]>;
  /** By line. */
  source: { made: Record<Item, History>; saved: Record<Item, History>; grad: Record<Item, History> };
}

/** In the order of the boxes: since when each is there.  By index: what stands under it, and whether it is kept. */
export interface PictureTimes {
  born: number[];
  below: Record<number, History>;
  kept: Record<number, History>;
}

const FORMAT = 1;

/** Throws when this is not a payload that this view knows how to draw. */
export function checkPayload(data: unknown): asserts data is Payload {
  const format = (data as { format?: unknown } | null)?.format;
  if (format !== FORMAT) {
    throw new Error(`payload format ${String(format)} is not known, expected ${FORMAT}: run the cell again`);
  }
}

/** The item that a box stands for: `t5` for its repetition `t5~2`. */
export function itemOf(box: string): Item {
  const at = box.indexOf("~");
  return at < 0 ? box : box.slice(0, at);
}
