/** Pictures with groups, as large as is asked for: a chain of equal blocks with skips, as in a transformer. */
import type { Group, Payload, Picture, Tree, TreeBox } from "../../autograd_magics/front/payload";
import { dressed, scopesOf } from "../../autograd_magics/front/scopes";
import { layoutTree } from "../../autograd_magics/front/layout/scoped";
import { payloadOf } from "./helpers";

class Grower {
  readonly tree: Tree = { boxes: [], scope: [], links: [], groups: [] };
  last = -1;

  box(label: string, group: number, ...from: number[]): number {
    const id = `c${this.tree.boxes.length}`;
    const box: TreeBox = { id, shape: "circle", style: "call", w: 36, h: 40, cw: 36, ch: 36, label, title: `${label} · line 4` };
    this.last = this.tree.boxes.push(box) - 1;
    this.tree.scope.push(group);
    for (const one of from) if (one >= 0) this.tree.links.push([one, this.last, "data"]);
    return this.last;
  }

  leaf(label: string, group: number): number {
    const at = this.box(label, group);
    Object.assign(this.tree.boxes[at] ?? {}, { id: `t${at}`, shape: "pill", style: "leaf", w: 70, cw: 70, ch: 30, sub: "[4, 3]" });
    return at;
  }

  group(label: string, sub: string, parent: number, alike: number, more: Partial<Group> = {}): number {
    const group = { label, sub, parent, alike, kind: "module" as const, title: `model.${label}`, count: 0, facts: ["12 kB kept"] };
    const size = { w: 96, h: 44, head: 100, open: false, badge: "", severity: "" as const, first: this.tree.boxes.length };
    return this.tree.groups.push({ id: `g${this.tree.groups.length}`, ...group, ...size, ...more }) - 1;
  }

  block(i: number, parent: number, x: number): number {
    const block = this.group(`h.${i}`, "Block", parent, 1, { count: 7 });
    const attention = this.group("attn", "Attention", block, 2, { count: 3 });
    const q = this.box("q", attention, x, this.leaf("weight", attention));
    const k = this.box("k", attention, x);
    const mixed = this.box("@", attention, q, k);
    const sum = this.box("+", block, x, mixed);
    const mlp = this.group("mlp", "MLP", block, 3, { count: 2 });
    const hidden = this.box("gelu", mlp, sum);
    const out = this.box("proj", mlp, hidden);
    return this.box("+", block, sum, out);
  }
}

/** `blocks` blocks in a model, with what is before and after them; `open`: labels of the groups that are open at first. */
export function treeOf(blocks: number, open: readonly string[] = ["GPT"]): Tree {
  const grower = new Grower();
  const model = grower.group("GPT", "GPT", -1, 0, { count: 7 * blocks + 2 });
  let x = grower.box("wte", model);
  for (let i = 0; i < blocks; i += 1) x = grower.block(i, model, x);
  grower.box("loss", -1, x);
  for (const group of grower.tree.groups) group.open = open.includes(group.label);
  return grower.tree;
}

export function pictureOfTree(tree: Tree): Picture {
  const open = new Set(tree.groups.flatMap((group) => (group.open ? [group.id] : [])));
  const placed = { ...layoutTree(tree, open), left_out: 0 };
  return { ...dressed(scopesOf({ ...placed, tree }), placed), tree };
}

/** A payload whose forward picture has groups. */
export function treePayload(blocks: number, open?: readonly string[]): Payload {
  const payload = payloadOf("linreg");
  const nothing = { details: {}, related: {}, findings: [], nudge: {} };
  const pictures = { forward: pictureOfTree(treeOf(blocks, open)), backward: payload.pictures.backward };
  delete payload.timeline;
  return { ...payload, ...nothing, pictures };
}
