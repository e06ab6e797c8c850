/**
 * The layout in the browser's language, on Node: `node benchmarks/layout_front.mjs`.
 *
 * The time is that of the process' own CPU, the median of several runs after one that warms up. Exit status 1 when a
 * target is missed.
 */
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import * as esbuild from "esbuild";
import { inlineEngine } from "../autograd_magics/front/layout/inline.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const front = join(root, "autograd_magics", "front");
const entry = `
  export { layout } from "./layout/index";
  export { layoutTree } from "./layout/scoped";
`;
/** What the bundle has of it. */
const shipped = `export { layoutSoon } from "./layout/worker";`;

async function bundled(contents, more) {
  const stdin = { contents, resolveDir: front, loader: "ts" };
  const made = await esbuild.build({ stdin, bundle: true, write: false, format: "esm", target: "es2022", ...more });
  return made.outputFiles[0].text;
}

const code = Buffer.from(await bundled(entry, {})).toString("base64");
const { layout, layoutTree } = await import(`data:text/javascript;base64,${code}`);
const missed = [];

function line(what, value, unit, target) {
  const over = target !== undefined && value > target;
  if (over) missed.push(what);
  const goal = target === undefined ? "" : `  target ${target}${over ? " MISSED" : ""}`;
  console.log(`  ${what.padEnd(52)}${value.toFixed(1).padStart(9)} ${unit}${goal}`);
}

function milliseconds(work) {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

function time(what, runs, target, work) {
  work();
  line(what, median(Array.from({ length: runs }, () => milliseconds(work))), "ms", target);
}

// -- flat graphs

const BOX = [40, 24];

function boxes(count) {
  return Array.from({ length: count }, () => BOX);
}

function chain(count) {
  return Array.from({ length: count - 1 }, (_, i) => [i, i + 1]);
}

/** Of every fourth node, an edge that passes the next three. */
function residual(count) {
  return [...chain(count), ...Array.from({ length: (count >> 2) - 1 }, (_, i) => [4 * i, 4 * i + 4])];
}

function pairs(flat) {
  return flat.flatMap((value, i) => (i % 2 ? [] : [[value, flat[i + 1]]]));
}

const golden = JSON.parse(await readFile(join(root, "tests", "golden", "layout.json"), "utf8"));
const targets = { gpt2: 50 };
console.log("flat layout");
for (const name of ["resnet", "gpt2", "bert"]) {
  const graph = golden.find((one) => one.name === name);
  const [sizes, edges] = [pairs(graph.sizes), pairs(graph.edges)];
  time(`${name}, ${sizes.length} nodes`, 15, targets[name], () => layout(sizes, edges));
}
for (const [name, edges] of [["chain", chain(100_000)], ["residual chain", residual(100_000)]]) {
  const sizes = boxes(100_000);
  time(`${name}, 100000 nodes`, 3, 1600, () => layout(sizes, edges));
}

// -- trees

const BRANCHES = [10, 10, 10];
const LEAVES = 100;

/** Three levels of ten groups, a hundred boxes in each of the last: a chain with an edge past every ten boxes. */
function tree() {
  const made = { boxes: [], scope: [], links: [], groups: [] };
  const fill = (parent, level) => {
    for (let i = 0; i < (BRANCHES[level] ?? LEAVES); i++) {
      if (level < BRANCHES.length) {
        const index = made.groups.length;
        const texts = { label: `h.${i}`, sub: "Block", title: "", facts: [], badge: "", severity: "" };
        const size = { w: 90, h: 30, head: 80 };
        const counts = { alike: level, count: LEAVES, first: made.boxes.length };
        made.groups.push({ id: `g${index}`, parent, kind: "module", open: false, ...texts, ...size, ...counts });
        fill(index, level + 1);
      } else {
        const index = made.boxes.length;
        const texts = { label: "mul", name: `x${i % 7}`, above: "float32[8, 16]" };
        made.boxes.push({ id: `t${index}`, shape: "circle", style: "call", w: 84, h: 68, cw: 36, ch: 36, ...texts });
        made.scope.push(parent);
        if (index) made.links.push([index - 1, index, "data"]);
        if (index >= 10 && index % 10 === 0) made.links.push([index - 10, index, "data"]);
      }
    }
  };
  fill(-1, 0);
  return made;
}

function ids(made, depth) {
  const depths = [];
  for (const { parent } of made.groups) depths.push(parent < 0 ? 0 : depths[parent] + 1);
  return made.groups.filter((_, i) => depths[i] < depth).map((group) => group.id);
}

const fresh = () => structuredClone(large);
const large = tree();
console.log(`tree of ${large.boxes.length} boxes in ${large.groups.length} groups`);
const folded = (one) => milliseconds(() => layoutTree(one, new Set()));
line("first folded view", median(Array.from({ length: 5 }, fresh).map(folded)), "ms", 300);
const path = ["g0", "g1", "g2"];
for (const depth of [1, 2, 3]) {
  const what = `unfolding one of level ${depth}`;
  const times = Array.from({ length: 5 }, () => {
    layoutTree(large, new Set(path.slice(0, depth - 1)));
    return milliseconds(() => layoutTree(large, new Set(path.slice(0, depth)), new Map()));
  });
  line(`${what}, nothing known`, median(times), "ms", 16);
  const open = new Set(path.slice(0, depth));
  line(`${what}, again`, median(times.map(() => milliseconds(() => layoutTree(large, open)))), "ms", 16);
}
for (const depth of [1, 2, 3]) {
  const open = new Set(ids(large, depth));
  const seen = layoutTree(large, open).boxes.length;
  const times = [0, 1, 2].map(() => milliseconds(() => layoutTree(large, open, new Map())));
  line(`${seen} boxes seen, ${open.size} groups open`, median(times), "ms");
}

console.log("size");
const whole = await bundled(shipped, { minify: true, plugins: [inlineEngine("es2022")] });
line("layout with its worker, minified", Buffer.byteLength(whole) / 1000, "kB", 22);
line("the same, compressed", gzipSync(whole).length / 1000, "kB");
console.log(`\nmissed: ${missed.join("; ") || "nothing"}`);
process.exitCode = missed.length ? 1 : 0;
