/** What is folded in a picture, and what of it can be seen.  In a picture without groups all is seen. */
import { itemOf, type Box, type Group, type Item, type Payload, type Picture, type Tree, type TreeBox } from "./payload";

/** What a box of a tree does not say. */
const DEFAULTS = {
  ...{ x: 0, y: 0, label: "", sub: "", name: "", above: "", below: "", below_dim: false, title: "" },
  ...{ ghost_of: null, badge: "", severity: "" as const },
};

/** Ids of groups that are unfolded, those of both pictures. */
export type Open = ReadonlySet<string>;

export function isGroup(id: string): boolean {
  return /^[gh]\d+$/.test(id);
}

/** One picture with all that is in it, seen or not; boxes and groups are told by their indices. */
export class Scopes {
  readonly tree: Tree;
  /** Index of a group by its id. */
  readonly groups: ReadonlyMap<string, number>;
  readonly #picture: Picture;
  #slots: Map<string, number> | null = null;
  #items: Map<Item, number[]> | null = null;

  constructor(picture: Picture) {
    this.#picture = picture;
    this.tree = picture.tree ?? flat(picture);
    this.groups = new Map(this.tree.groups.map((group, i) => [group.id, i]));
  }

  /** Index of a box by its id. */
  get slots(): ReadonlyMap<string, number> {
    return (this.#slots ??= new Map(this.tree.boxes.map((box, i) => [box.id, i])));
  }

  /** The boxes of an item: its own and its repetitions. */
  boxesOf(item: Item): readonly number[] {
    if (!this.#items) {
      const items = (this.#items = new Map<Item, number[]>());
      this.tree.boxes.forEach((box, i) => {
        const known = items.get(itemOf(box.id));
        if (known) known.push(i);
        else items.set(itemOf(box.id), [i]);
      });
    }
    return this.#items.get(item) ?? [];
  }

  group(id: string): Group | undefined {
    return this.tree.groups[this.groups.get(id) ?? -1];
  }

  /** A group and those around it, the outermost first. */
  around(group: number): Group[] {
    const found: Group[] = [];
    for (let one = this.tree.groups[group]; one; one = this.tree.groups[one.parent]) found.unshift(one);
    return found;
  }

  /** The groups around a box or group with this id. */
  holders(id: string): Group[] {
    const group = this.groups.get(id);
    const { scope, groups } = this.tree;
    return this.around((group === undefined ? scope[this.slots.get(id) ?? -1] : groups[group]?.parent) ?? -1);
  }

  /** The boxes of an item, or all in a group. */
  boxesIn(id: Item): readonly number[] {
    const target = this.groups.get(id);
    if (target === undefined) return this.boxesOf(id);
    const inside = new Set([target]);
    this.tree.groups.forEach((group, i) => inside.has(group.parent) && inside.add(i));
    return this.tree.scope.flatMap((group, i) => (inside.has(group) ? [i] : []));
  }

  /** All of the same structure as this group, itself too. */
  alike(id: string): Group[] {
    const alike = this.group(id)?.alike;
    return this.tree.groups.filter((group) => group.alike === alike);
  }

  /** For each group the outermost folded one around it, or itself; -1 where it is open and all around it are. */
  covers(open: Open): Int32Array {
    const covers = new Int32Array(this.tree.groups.length);
    this.tree.groups.forEach((group, i) => {
      const outer = group.parent < 0 ? -1 : (covers[group.parent] ?? -1);
      covers[i] = outer >= 0 ? outer : open.has(group.id) ? -1 : i;
    });
    return covers;
  }

  /** What is seen of a box or group with this id: itself, or the folded group that it is in. */
  seen(covers: Int32Array): (id: string) => string {
    return (id) => {
      const group = this.groups.get(id) ?? this.tree.scope[this.slots.get(id) ?? -1] ?? -1;
      const cover = group < 0 ? -1 : (covers[group] ?? -1);
      return cover < 0 ? id : (this.tree.groups[cover]?.id ?? id);
    };
  }

  /** Whether these are the groups that are open at first. */
  isFirst(open: Open): boolean {
    return this.tree.groups.every((group) => group.open === open.has(group.id));
  }

  /** Everything in this picture, also what is in folded groups. */
  get picture(): Picture {
    return this.#picture;
  }
}

const known = new WeakMap<Picture, Scopes>();

export function scopesOf(picture: Picture): Scopes {
  const scopes = known.get(picture) ?? new Scopes(picture);
  known.set(picture, scopes);
  return scopes;
}

function flat({ boxes, wires }: Picture): Tree {
  const at = new Map(boxes.map((box, i) => [box.id, i]));
  const links = wires.map(({ from, to, kind }): Tree["links"][number] => [at.get(from) ?? 0, at.get(to) ?? 0, kind]);
  return { boxes, scope: boxes.map(() => -1), links, groups: [] };
}

// -- folding and unfolding

export function firstOpen({ pictures }: Payload): Open {
  const groups = [pictures.forward, pictures.backward].flatMap(({ tree }) => tree?.groups ?? []);
  return new Set(groups.flatMap(({ id, open }) => (open ? [id] : [])));
}

export function toggled(open: Open, id: string): Open {
  const next = new Set(open);
  if (!next.delete(id)) next.add(id);
  return next;
}

/** With the groups open that this box or group is in. */
export function unfoldedTo(scopes: Scopes, open: Open, id: string): Open {
  return new Set([...open, ...scopes.holders(id).map((group) => group.id)]);
}

/** All of the structure of this group, wherever they are. */
export function unfoldedAlike(scopes: Scopes, open: Open, id: string): Open {
  const wanted = scopes.alike(id).flatMap((group) => scopes.around(scopes.groups.get(group.id) ?? -1));
  return new Set([...open, ...wanted.map((group) => group.id)]);
}

/** Every folded group that is seen is opened. */
export function levelMore(scopes: Scopes, open: Open): Open {
  const covers = scopes.covers(open);
  return new Set([...open, ...scopes.tree.groups.filter((_, i) => covers[i] === i).map((group) => group.id)]);
}

/** The innermost of the open groups that are seen are folded. */
export function levelLess(scopes: Scopes, open: Open): Open {
  const covers = scopes.covers(open);
  const depths = scopes.tree.groups.map((_, i) => (covers[i] === -1 ? scopes.around(i).length : 0));
  const deepest = depths.reduce((a, b) => Math.max(a, b), 0);
  const next = new Set(open);
  // What is folded in there stays as it was when it is opened again.
  scopes.tree.groups.forEach((group, i) => deepest > 0 && depths[i] === deepest && next.delete(group.id));
  return next;
}

// -- boxes as they are drawn

export function whole(box: TreeBox): Box {
  return { ...DEFAULTS, ...box };
}

/** A folded group as a box around a point. */
export function boxOfGroup(group: Group, x: number, y: number): Box {
  const { id, label, sub, title, w, h, badge, severity, kind } = group;
  const size = { w, h, cw: w, ch: h };
  const texts = { label, sub, title, badge, severity, layer: 0, stacked: kind === "run" };
  return { ...DEFAULTS, id, shape: "group", style: "scope", x, y, ...size, ...texts };
}

/** A placed picture with all that its boxes leave to the tree. */
export function dressed(scopes: Scopes, placed: Picture): Picture {
  const boxes = placed.boxes.map((box) => {
    const group = box.shape === "group" ? scopes.group(box.id) : undefined;
    return group ? boxOfGroup(group, box.x, box.y) : whole(box);
  });
  return { ...placed, boxes };
}
