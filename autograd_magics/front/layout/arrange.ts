/**
 * Where everything in nested groups goes when some of them are open: what `views/scoped/placing.py` does in Python.
 *
 * Bottom-up, each open group is laid out alone by the flat engine, and stands in the group around it as one box. A line
 * that crosses the border of an open group passes a port there: inside a node of no size on the left border (where
 * something comes in) or on the right one, one for each source outside or inside; outside the line meets the border at
 * the height of that port. Rooms of equal content are laid out once.
 *
 * Items are numbers: `i` is box `i`, `boxes + g` is group `g`.
 */
import { abs, group, ints, largest, max, min, smallest } from "./arrays";
import { curve } from "./curves";
import { layout, type Shape, type Size } from "./index";
import { landedOf, withLandings, type Pair } from "./landings";
import { FIELDS, HEAD, SHAPES, type Arrangement, type Item, type Nest } from "./nest";
import { SAME, type Ends } from "./ports";
import { addPoint } from "./routes";

/** Around the whole, inside the border of a frame, between ranks, in px. */
const MARGIN = 14;
const PAD = 12;
const RANK_GAP = 22;
/** Between the header of a frame and what stands highest in it. */
const UNDER_HEAD = 8;
const IN = -1;
const OUT = -2;
const ROOT = -1;

/** A room from its upper left corner; places of items, heights of ports and routes of edges in the room's order. */
interface Laid {
  width: number;
  height: number;
  xs: number[];
  ys: number[];
  ins: number[];
  outs: number[];
  routes: number[][];
  /** Height of the line that it hangs on in the room around it. */
  hang: number;
}

/** Rooms that were laid out, by their content. */
export type Known = Map<string, Laid>;

/** What is seen of an open group, or of the whole; edges from item or IN to item or OUT, and the source of the line. */
interface Room {
  items: Int32Array;
  edges: [tail: number, head: number, source: number][];
  /** Index of an edge. */
  at: Map<string, number>;
  /** Once it is laid out: those inside it before it. */
  laid?: Laid;
  /** Of each source: height of its port over or under the line that the group hangs on. */
  ins: Map<number, number>;
  outs: Map<number, number>;
}

interface Line {
  start: number;
  end: number;
  kind: number;
  /** Rooms, and the index of its edge in each. */
  legs: [room: number, edge: number][];
}

/** The items of each group, the first ones first, and how many groups are around each. */
interface Children {
  readonly of: (room: number) => Int32Array;
  readonly depth: Int32Array;
}

const children = new WeakMap<Nest, Children>();

function childrenOf(nest: Nest): Children {
  const known = children.get(nest);
  if (known) return known;
  const { boxes, parents, first } = nest;
  const groups = parents.length;
  const keys = ints(groups + boxes).map((_, i) => (i < groups ? first[i]! : i - groups));
  const order = group(boxes + 1, keys).items.map((i) => (i < groups ? boxes + i : i - groups));
  const { start, items } = group(groups + 1, order.map((item) => homeOf(nest, item) + 1));
  const sorted = items.map((i) => order[i]!);
  const depth = ints(groups);
  parents.forEach((parent, i) => (depth[i] = parent === ROOT ? 0 : depth[parent]! + 1));
  const found = { depth, of: (room: number) => sorted.subarray(start[room + 1], start[room + 2]) };
  children.set(nest, found);
  return found;
}

/** The first box of an item. */
function firstOf({ boxes, first }: Nest, item: number): number {
  return item < boxes ? item : first[item - boxes]!;
}

/** The group around an item. */
function homeOf({ boxes, scope, parents }: Nest, item: number): number {
  return item < boxes ? scope[item]! : parents[item - boxes]!;
}

/** Of each group the outermost folded one that it is in, or is; -1 where it is seen open. */
function coversOf({ parents }: Nest, open: Uint8Array): Int32Array {
  const covers = ints(parents.length);
  for (let i = 0; i < covers.length; i++) {
    const around = parents[i] === ROOT ? ROOT : covers[parents[i]!]!;
    covers[i] = around !== ROOT ? around : open[i] ? ROOT : i;
  }
  return covers;
}

/** The open groups that are seen, the whole first. */
function roomsOf(covers: Int32Array): number[] {
  const rooms = [ROOT];
  covers.forEach((cover, i) => cover === ROOT && rooms.push(i));
  return rooms;
}

/** How many items stand in rooms where something is folded otherwise than before, or that were not open. */
export function effort(nest: Nest, open: Uint8Array, before: Uint8Array | null): number {
  const covers = coversOf(nest, open);
  const old = before && coversOf(nest, before);
  const changed = new Set<number>(old ? [] : [ROOT]);
  covers.forEach((cover, i) => {
    if (old && (cover === ROOT) === (old[i] === ROOT)) return;
    for (let at = i; at !== ROOT && !changed.has(at); at = nest.parents[at]!) changed.add(at);
    changed.add(ROOT);
  });
  let count = 0;
  for (const room of roomsOf(covers)) if (changed.has(room)) count += childrenOf(nest).of(room).length;
  return count;
}

/** Places all that is seen when the groups marked in `open` are open; `known` is filled, and saves work later. */
export function arrange(nest: Nest, open: Uint8Array, known: Known): Arrangement {
  const covers = coversOf(nest, open);
  const rooms = new Map<number, Room>();
  for (const at of roomsOf(covers)) {
    const items = childrenOf(nest).of(at);
    rooms.set(at, { items, edges: [], at: new Map(), ins: new Map(), outs: new Map() });
  }
  const lines = linesOf(nest, covers);
  for (const line of lines) {
    eachLeg(nest, line.start, line.end, (room, tail, head) => {
      line.legs.push([room, join(rooms.get(room)!, tail, head, line.start)]);
    });
  }
  const made = new Set(lines.map((line) => line.end));
  for (const at of [...rooms.keys()].reverse()) layRoom(nest, rooms, at, made, known);
  return result(nest, rooms, lines);
}

/** The lines between what is seen, each pair once. */
function linesOf({ boxes, scope, from, to, kinds, parents }: Nest, covers: Int32Array): Line[] {
  const seen = ints(boxes).map((_, box) => {
    const cover = scope[box] === ROOT ? ROOT : covers[scope[box]!]!;
    return cover === ROOT ? box : boxes + cover;
  });
  const lines = new Map<number, Line>();
  const total = boxes + parents.length;
  for (let i = 0; i < from.length; i++) {
    const [start, end] = [seen[from[i]!]!, seen[to[i]!]!];
    if (start === end) continue;
    const line = lines.get(start * total + end);
    if (!line) lines.set(start * total + end, { start, end, kind: kinds[i]!, legs: [] });
    else if (line.kind) line.kind = kinds[i]!;
  }
  return [...lines.values()];
}

/** Calls with each room that a line passes, from its start to its end, and the ends that it has there. */
function eachLeg(
  nest: Nest, start: number, end: number, visit: (room: number, tail: number, head: number) => void,
): void {
  const { parents, boxes } = nest;
  const { depth } = childrenOf(nest);
  let [here, there, tail, head] = [homeOf(nest, start), homeOf(nest, end), start, end];
  const down: [number, number][] = [];
  while (here !== there) {
    if (here !== ROOT && (there === ROOT || depth[here]! >= depth[there]!)) {
      visit(here, tail, OUT);
      [here, tail] = [parents[here]!, boxes + here];
    } else {
      down.push([there, head]);
      [there, head] = [parents[there]!, boxes + there];
    }
  }
  visit(here, tail, head);
  for (const [room, inside] of down.reverse()) visit(room, IN, inside);
}

/** Takes an edge in, once. Returns its index. */
function join({ edges, at }: Room, tail: number, head: number, source: number): number {
  const key = `${tail} ${head} ${source}`;
  let index = at.get(key);
  if (index === undefined) {
    index = edges.length;
    at.set(key, index);
    edges.push([tail, head, source]);
  }
  return index;
}

// -- one room

/** `made` has the items that something leads to. */
function layRoom(nest: Nest, rooms: Map<number, Room>, at: number, made: Set<number>, known: Known): void {
  const room = rooms.get(at)!;
  const { items, edges } = room;
  const ins = portsOf(edges.filter(([tail]) => tail === IN));
  const outs = portsOf(edges.filter(([, head]) => head === OUT));
  const places = new Map(Array.from(items, (item, i) => [item, i]));
  const pairs = edges.map(([tail, head, source]): Pair => [
    tail === IN ? items.length + ins.get(source)! : places.get(tail)!,
    head === OUT ? items.length + ins.size + outs.get(source)! : places.get(head)!,
  ]);
  const inside = (item: number): Room | undefined => (item < nest.boxes ? undefined : rooms.get(item - nest.boxes));
  const ends = edges.map(([tail, head, source]): Ends => [
    inside(tail)?.outs.get(source) ?? null, inside(head)?.ins.get(source) ?? null,
  ]);
  const head = at === ROOT ? null : nest.heads[at]!;
  const shapes = Array.from(items, (item) => itemOf(nest, rooms, item));
  // Of two lines that come in, the one made last is the main one: the other skips something, or begins there.
  const late = [...ins.keys()].sort((a, b) => +made.has(a) - +made.has(b) || firstOf(nest, a) - firstOf(nest, b));
  const ports = [...Array.from(ins.keys(), (source) => -1 - late.indexOf(source)), ...Array.from(outs, () => 1)];
  const key = JSON.stringify([shapes, pairs, ends, ports, head]);
  let laid = known.get(key);
  if (!laid) known.set(key, (laid = layContent(shapes, pairs, ends, ports, head)));
  room.laid = laid;
  for (const [source, i] of ins) room.ins.set(source, laid.ins[i]! - laid.hang);
  for (const [source, i] of outs) room.outs.set(source, laid.outs[i]! - laid.hang);
}

/** Numbers the sources of lines that come in, or go out. */
function portsOf(edges: Room["edges"]): Map<number, number> {
  const ports = new Map<number, number>();
  for (const [, , source] of edges) if (!ports.has(source)) ports.set(source, ports.size);
  return ports;
}

function itemOf(nest: Nest, rooms: Map<number, Room>, item: number): Item {
  const laid = item < nest.boxes ? undefined : rooms.get(item - nest.boxes)?.laid;
  if (laid) return [laid.width, laid.hang, laid.height - laid.hang, 0, laid.width, 0, 0];
  return [...nest.items.subarray(item * FIELDS, (item + 1) * FIELDS)] as unknown as Item;
}

/** The content of a room; `ports` are the pins of its ports, `head` is null for the whole picture. */
function layContent(
  shapes: Item[], pairs: Pair[], ends: Ends[], ports: number[], head: number | null,
): Laid {
  const count = shapes.length;
  const inner = count + ports.length;
  const ins = ports.filter((port) => port < 0).length;
  const landed = landedOf(pairs, ends, count);
  const sizes = shapes.map(([width, over, under]): Size => [width, 2 * max(over, under)]);
  const cores = shapes.map(([, , , , w, h, shape]): [number, number, Shape] => [w, h, SHAPES[shape]!]);
  const pins = ints(inner + landed.length);
  pins.set(ports, count);
  for (let i = count; i < pins.length; i++) {
    sizes.push([0, 0]);
    cores.push([0, 0, "box"]);
  }
  const [legs, legEnds] = withLandings(pairs, ends, landed, inner);
  const { x, y, ...placed } = layout(sizes, legs, { rankGap: RANK_GAP, cores, pins, ends: legEnds });
  const routes = placed.routes.slice(0, pairs.length);
  landed.forEach((edge, i) => (routes[edge] = routes[edge]!.concat(placed.routes[pairs.length + i]!)));
  let [top, bottom] = [smallest(y.subarray(count)), largest(y.subarray(count))];
  shapes.forEach(([, over, under], i) => {
    top = min(top, y[i]! - over);
    bottom = max(bottom, y[i]! + under);
  });
  for (const route of routes) {
    for (let i = 1; i < route.length; i += 2) {
      top = min(top, route[i]!);
      bottom = max(bottom, route[i]!);
    }
  }
  const [side, upper, lower] = head === null ? [MARGIN, MARGIN, MARGIN] : [PAD, HEAD + UNDER_HEAD, PAD];
  const width = max(placed.width + 2 * side, head ?? 0);
  const [right, down] = [(width - placed.width) / 2, upper - top];
  const height = bottom + down + lower;
  routes.forEach((route, i) => {
    for (let j = 0; j < route.length; j += 2) {
      route[j]! += right;
      route[j + 1]! += down;
    }
    if (pairs[i]![0] >= count) route[0] = 0;
    if (pairs[i]![1] >= count) route[route.length - 2] = width;
  });
  const xs = Array.from(x.subarray(0, count), (value) => value + right);
  const ys = Array.from(y, (value) => value + down);
  const heights = ys.slice(count, inner);
  const hang = hangOf(heights, height);
  return { width, height, xs, ys, ins: heights.slice(0, ins), outs: heights.slice(ins), routes, hang };
}

/** The height that most ports share, of equals the one nearest to the middle. */
function hangOf(ports: number[], height: number): number {
  let [best, most, nearest] = [height / 2, 0, 0];
  for (const port of ports) {
    const shared = ports.filter((other) => abs(other - port) < SAME).length;
    const near = -abs(port - height / 2);
    if (shared > most || (shared === most && near > nearest)) [best, most, nearest] = [port, shared, near];
  }
  return best;
}

// -- all of them

/** Everything, measured from the upper left corner of the whole. */
function result(nest: Nest, rooms: Map<number, Room>, lines: Line[]): Arrangement {
  const { depth } = childrenOf(nest);
  const corners = new Map([[ROOT, [0, 0] as [number, number]]]);
  const spots: Arrangement["spots"] = [];
  const frames: Arrangement["frames"] = [];
  const where = new Map<number, Arrangement["spots"][number]>();
  for (const [at, { items, ...room }] of rooms) {
    const laid = room.laid!;
    const [left, top] = corners.get(at)!;
    if (at !== ROOT) frames.push([at, left, top, laid.width, laid.height, depth[at]!]);
    items.forEach((item, i) => {
      const inner = item < nest.boxes ? undefined : rooms.get(item - nest.boxes)?.laid;
      const [x, y] = [left + laid.xs[i]!, top + laid.ys[i]!];
      if (inner) corners.set(item - nest.boxes, [x - inner.width / 2, y - inner.hang]);
      else {
        const spot: Arrangement["spots"][number] = [item, x, y];
        spots.push(spot);
        where.set(item, spot);
      }
    });
  }
  const paths = lines.map((line): Arrangement["lines"][number] => {
    const points = pointsOf(nest, rooms, corners, where.get(line.start)!, where.get(line.end)!, line);
    return [line.start, line.end, line.kind, curve(points)];
  });
  spots.sort((a, b) => firstOf(nest, a[0]) - firstOf(nest, b[0]));
  const { width, height } = rooms.get(ROOT)!.laid!;
  return { width, height, spots, frames, lines: paths };
}

/** The routes of a line through all its rooms as one, from shape to shape. */
function pointsOf(
  { items }: Nest, rooms: Map<number, Room>, corners: Map<number, [number, number]>,
  [start, x0, y0]: Arrangement["spots"][number], [end, x1, y1]: Arrangement["spots"][number], { legs }: Line,
): number[] {
  const points: number[] = [];
  const [tail, head] = [items[start * FIELDS + 3]!, items[end * FIELDS + 3]!];
  if (tail) addPoint(points, x0 + tail / 2, y0);
  for (const [room, edge] of legs) {
    const [left, top] = corners.get(room)!;
    const route = rooms.get(room)!.laid!.routes[edge]!;
    for (let i = 0; i < route.length; i += 2) addPoint(points, left + route[i]!, top + route[i + 1]!);
  }
  if (head) addPoint(points, x1 - head / 2, y1);
  return points;
}
