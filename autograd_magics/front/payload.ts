/** What `views/payload.py` sends: everything that is drawn, with coordinates and in finished sentences. */

export interface Payload {
  format: 1;
  /** Random hex of the recording. */
  run: string;
  lang: string;
  theme: Theme;
  /** Words of the view itself, by key. */
  text: Record<string, string>;
  title: string;
  cell: string;
  summary: string[];
  headline: string;
  notices: string[];
  pictures: { forward: Picture; backward: Picture };
  /** By item id; see `Item`. */
  details: Record<string, Detail>;
  related: Record<Item, Item[]>;
  gradients: Ledger[];
  saved: SavedTable;
  findings: Finding[];
  source: Source[];
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
}

export interface Box {
  /** An item, or `t5~2` for a repetition of it. */
  id: string;
  shape: "circle" | "pill" | "rect" | "wire" | "tag";
  style: "leaf" | "input" | "call" | "result" | "cut" | "failed" | "node" | "accumulate" | "unseen";
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
  title: string;
  ghost_of: string | null;
  badge: string;
  severity: Severity | "";
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
  rows: { label: string; value: string; mono: boolean; link: Item | null }[];
  findings: Item[];
}

export interface Ledger {
  id: Item;
  name: string;
  shape: string;
  now: string;
  rows: LedgerRow[];
}

export interface LedgerRow {
  kind: string;
  what: string;
  before: string;
  added: string;
  after: string;
  line: string;
  link: Item | null;
  by: Item | null;
  finding: Item | null;
}

export interface SavedTable {
  total: string;
  rows: SavedRow[];
  by_line: { line: string; link: Item | null; bytes: string }[];
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
