/** The picture: what of it is in sight, and where pointer and keys lead. */
import type { Context } from "../context";
import { h, replace, s } from "../dom";
import { isArrow, neighbour } from "../keyboard";
import { itemOf, type Box, type Item, type Picture } from "../payload";
import { bounds, firstBox, indexPicture, pictureOf, topOf, type Index } from "../picture";
import { firstOpen, isGroup, levelLess, levelMore, scopesOf, toggled, unfoldedTo, type Open } from "../scopes";
import { signal, untracked, type Signal } from "../signals";
import { large } from "../slot";
import * as viewport from "../viewport";
import type { Size, View } from "../viewport";
import { decoration } from "./decoration";
import { folded, followFolding, type Shown as Folded } from "./folding";
import { drawLegend } from "./legend";
import type { Minimap } from "./minimap";
import { poser } from "./moments";
import { showReach } from "./reach";
import { Scene } from "./scene";
import { followPointer, glide } from "./viewport";

const LOWEST = 180;
const HIGHEST = 460;
/** Where nothing has a size yet, as before the first layout of the page. */
const UNMEASURED: Size = { width: 660, height: 300 };

export interface Graph {
  element: HTMLElement;
  zoom(factor: number): void;
  fit(): void;
  /** Moves so that an item, or what belongs to it, is seen; it may be in a folded group. */
  reveal(item: Item): void;
  /** Unfolds all that a box or group is in, and moves there. */
  unfoldTo(id: string): void;
  /** Folds or unfolds the group that is selected or under the keyboard, or folds the one that such a box is in. */
  toggle(): void;
  /** One level more or less, or 0: as at first. */
  level(more: 1 | -1 | 0): void;
  /** What is drawn now. */
  picture(): Picture;
}

interface Shown extends Folded {
  /** Shows the picture as it was at the present moment; returns the boxes of what happened then. */
  pose: () => Box[];
}

type Choose = (item: Item) => void;

/** `choose` is called with the item of a box that was clicked or entered, and with "" for the empty ground. */
export function drawGraph(context: Context, choose: Choose): Graph {
  const { t, state, payload } = context;
  const svg = s("svg", { class: "picture", role: "group", "aria-label": payload.headline });
  const canvas = h("div", { class: "canvas" }, svg);
  const list = h("ul", { class: "unseen", "aria-label": t("ui.as_text") });
  const screen = measured(context, canvas);
  const [shown, pointed] = [signal(begin(context)), signal("")];
  const picture = (): Picture => shown.value.index.picture;
  const move = (to: View): void => {
    state.untouched.value = false;
    state.view.value = viewport.keepInReach(to, picture(), screen.value);
  };
  const minimap = large()?.drawMinimap((x, y) => {
    const { k } = state.view.value;
    move({ k, x: screen.value.width / 2 - x * k, y: screen.value.height / 2 - y * k });
  }, context.stop);
  const revealBoxes = (boxes: readonly Box[]): void => {
    const to = viewOf(boxes, state.view.value, screen.value);
    if (to === state.view.value) return;
    state.untouched.value = false;
    glide(state.view, to);
  };
  const middle = (): [number, number] => [screen.value.width / 2, screen.value.height / 2];
  const folding = followFolding({
    ...{ context, shown },
    make: (placed: Picture, open: Open) => show(context, placed, open),
    sight: () => viewport.visible(state.view.value, screen.value),
    around: (swap) => {
      const focused = svg.contains((svg.getRootNode() as Partial<ShadowRoot>).activeElement ?? null);
      swap();
      if (focused) shown.value.scene.element(state.cursor.value)?.focus({ preventScroll: true });
    },
    settle: () => revealBoxes(shown.value.index.at(state.selection.value)),
  });
  keepDrawn({ context, shown, svg, canvas, list, screen, pointed, minimap, revealBoxes });
  const toggle = (id: string): void => {
    state.cursor.value = id;
    folding.change(toggled(state.open.value, id), id, () => undefined);
    choose(id);
  };
  onClick({ context, svg, shown, move, choose, toggle });
  onPoint(context, svg, pointed);
  onKeys({ context, svg, shown, choose, toggle, reveal: (box) => revealBoxes([box]) });
  return {
    element: h("section", { class: "graph", "aria-label": t("ui.graph") }, canvas, list, drawLegend(context, picture)),
    zoom: (factor) => move(viewport.zoomAt(state.view.value, factor, ...middle())),
    fit: () => move(viewport.fit(picture(), screen.value)),
    reveal: (item) => revealBoxes(boxesOf(context, shown.value.index, item)),
    unfoldTo: (id) => folding.change(unfoldedTo(shown.value.index.scopes, state.open.value, id), null, () => {
      revealBoxes([shown.value.index.boxes.get(id)].filter((box) => box !== undefined));
    }),
    toggle: () => {
      const { index } = shown.value;
      const [box] = [...index.at(state.selection.value), ...index.at(itemOf(state.cursor.value))];
      const id = box && isGroup(box.id) ? box.id : index.scopes.holders(box?.id ?? "").at(-1)?.id;
      if (id !== undefined) toggle(id);
    },
    level: (more) => {
      const { scopes } = shown.value.index;
      const level = more > 0 ? levelMore(scopes, state.open.value) : levelLess(scopes, state.open.value);
      folding.change(more === 0 ? firstOpen(payload) : level, null, () => undefined);
    },
    picture,
  };
}

interface Stage {
  context: Context;
  shown: Signal<Shown>;
  svg: SVGSVGElement;
  canvas: HTMLElement;
  list: HTMLElement;
  screen: Signal<Size>;
  pointed: Signal<string>;
  minimap: Minimap | undefined;
  revealBoxes: (boxes: readonly Box[]) => void;
}

/** Draws what is shown, and keeps it right whatever changes. */
function keepDrawn({ context, shown, svg, canvas, list, screen, pointed, minimap, revealBoxes }: Stage): void {
  const { t, state, payload } = context;
  const empty = h("p", { class: "nothing" }, t("ui.empty"));
  canvas.append(empty, ...(minimap ? [minimap.element] : []));
  context.effect(() => {
    present(shown.value, svg, list);
    canvas.querySelector(".overview")?.remove();
    const { overview } = shown.value.scene;
    if (overview) canvas.prepend(overview.canvas);
    untracked(() => beginAt(context, shown.value.index));
    empty.hidden = shown.value.index.boxes.size > 0;
  });
  context.effect(() => arrange(context, shown.value.index, screen.value, canvas));
  const showPlace = (): void => minimap?.show(shown.value.index, state.view.value, screen.value);
  context.effect(() => {
    shown.value.scene.show(state.view.value, screen.value, state.cursor.value);
    showReach(canvas, state.view.value, shown.value.index.picture, screen.value);
    showPlace();
  });
  context.effect(() => shown.value.scene.decorate(decoration(context, shown.value.index, pointed.value)));
  context.effect(() => {
    svg.dataset["now"] = payload.timeline?.kinds[state.moment.value] ?? "";
    const boxes = shown.value.pose();
    untracked(() => revealBoxes(boxes));
  });
  context.effect(() => svg.classList.toggle("no-grad", state.mode.value === "forward"));
  onColours(context, svg, () => {
    shown.value.scene.refresh();
    minimap?.forget();
    showPlace();
  });
}

function show(context: Context, picture: Picture, open: Open): Shown {
  const index = indexPicture(picture, scopesOf(pictureOf(context.payload, context.state.mode.value)), open);
  const scene = new Scene(index);
  return { index, scene, open, pose: poser(context, index, scene) };
}

/** What is seen at first; where that has to be laid out first, without what was unfolded. */
function begin(context: Context): Shown {
  const { state, payload } = context;
  const scopes = scopesOf(pictureOf(payload, state.mode.value));
  const placed = folded(scopes, state.open.value);
  if (!(placed instanceof Promise)) return show(context, placed, state.open.value);
  const open = firstOpen(payload);
  return show(context, folded(scopes, open) as Picture, open);
}

/** Size of the canvas on the screen, kept right while it is there. */
function measured(context: Context, canvas: HTMLElement): Signal<Size> {
  const screen = signal(UNMEASURED);
  const measure = (): void => {
    const { clientWidth: width, clientHeight: height } = canvas;
    const same = width === screen.value.width && height === screen.value.height;
    if (width > 0 && height > 0 && !same) screen.value = { width, height };
  };
  if (typeof ResizeObserver === "function") {
    const observer = new ResizeObserver(measure);
    observer.observe(canvas);
    context.stop.addEventListener("abort", () => observer.disconnect());
  }
  return screen;
}

/** Puts a picture on the canvas, and its boxes as text beside it for those who cannot see it. */
function present({ index, scene }: Shown, svg: Element, list: Element): void {
  replace(svg, scene.root);
  replace(list, ...[...index.boxes.values()].map((box) => h("li", null, box.title || `${box.label} ${box.sub}`)));
}

/** The keyboard begins at what is selected, or where reading begins. */
function beginAt({ state }: Context, index: Index): void {
  if (index.boxes.has(state.cursor.value)) return;
  const box = index.boxes.get(index.seen(state.cursor.value)) ?? index.at(state.selection.value)[0];
  state.cursor.value = (box ?? firstBox(index.picture))?.id ?? "";
}

/** Height of the canvas and, until the reader moves, the view of it. */
function arrange({ state }: Context, index: Index, screen: Size, canvas: HTMLElement): void {
  const wanted = viewport.wantedHeight(index.picture, screen.width, LOWEST, HIGHEST);
  const untouched = state.untouched.value;
  // What stays where it is when something is folded must not be left outside.
  const height = untouched ? wanted : Math.max(wanted, Number.parseFloat(canvas.style.minHeight) || 0);
  canvas.style.minHeight = `${height}px`;
  if (untouched) state.view.value = viewport.opening(index.picture, screen, topOf(index.picture, screen.width / viewport.READABLE));
}

/** The boxes of an item, or where the picture has none, those of what belongs to it. */
function boxesOf(context: Context, index: Index, item: Item): readonly Box[] {
  const own = index.at(item);
  return own.length > 0 ? own : [...context.related(item)].flatMap((one) => index.at(one));
}

/** The nearest view with one of these boxes in it. */
function viewOf(boxes: readonly Box[], view: View, screen: Size): View {
  const views = boxes.map((box) => viewport.reveal(view, bounds(box), screen));
  return views.find((to) => to === view) ?? views[0] ?? view;
}

// -- pointer and keys

interface Handled {
  context: Context;
  svg: SVGSVGElement;
  shown: Signal<Shown>;
  choose: Choose;
  toggle: (id: string) => void;
}

/** A click selects; on the sign or the header of a group, or on what is selected already, it folds or unfolds. */
function onClick({ context, svg, shown, move, choose, toggle }: Handled & { move: (to: View) => void }): void {
  const { state, stop } = context;
  const wasDrag = followPointer({ element: svg, view: () => state.view.value, move, stop });
  const click = (event: MouseEvent): void => {
    if (wasDrag()) return;
    const target = event.target as Element;
    const made = target.closest("[data-box]")?.getAttribute("data-box");
    const id = made ?? painted(svg, shown.value, state.view.value, event);
    if (id !== "") state.cursor.value = id;
    const again = isGroup(id) && (state.selection.value === id || shown.value.index.frames.has(id));
    if (again || target.closest(".fold")) toggle(id);
    else choose(itemOf(id));
  };
  svg.addEventListener("click", click, { signal: stop });
}

/** The box that is painted, not made, at the place of a click. */
function painted(svg: Element, { index, scene }: Shown, { x, y, k }: View, event: MouseEvent): string {
  if (scene.overview?.canvas.hidden !== false) return "";
  const frame = svg.getBoundingClientRect();
  const [px, py] = [(event.clientX - frame.left - x) / k, (event.clientY - frame.top - y) / k];
  const hit = index.picture.boxes.find((box) => Math.abs(px - box.x) <= box.w / 2 && Math.abs(py - box.y) <= box.h / 2);
  return hit?.id ?? "";
}

/** Where the pointer is, as far as that shows something: groups of the same structure, or wires that are faint. */
function onPoint({ state, stop }: Context, svg: SVGSVGElement, pointed: Signal<string>): void {
  const point = (event: Event): void => {
    const id = (event.target as Element).closest("[data-box]")?.getAttribute("data-box") ?? "";
    pointed.value = isGroup(id) || state.calm.value ? id : "";
  };
  svg.addEventListener("pointerover", point, { signal: stop });
  svg.addEventListener("pointerleave", () => void (pointed.value = ""), { signal: stop });
}

/** What is painted has the colours of its time. */
function onColours(context: Context, svg: SVGSVGElement, paint: () => void): void {
  const observer = new MutationObserver(paint);
  // The element has a root, and that a host, only when all is put in place.
  queueMicrotask(() => {
    const host = (svg.getRootNode() as Partial<ShadowRoot>).host;
    if (host) observer.observe(host, { attributes: true, attributeFilter: ["data-theme", "data-page"] });
  });
  context.stop.addEventListener("abort", () => observer.disconnect());
}

function onKeys({ context, svg, shown, choose, toggle, reveal }: Handled & { reveal: (box: Box) => void }): void {
  const { cursor } = context.state;
  const key = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = isArrow(event.key) && neighbour(shown.value.index, cursor.value, event.key);
    if (event.key === "Enter" || event.key === " ") (isGroup(cursor.value) ? toggle : choose)(itemOf(cursor.value));
    else if (!isArrow(event.key)) return;
    event.preventDefault();
    if (!next) return;
    cursor.value = next.id;
    reveal(next);
    shown.value.scene.element(next.id)?.focus({ preventScroll: true });
  };
  svg.addEventListener("keydown", key as EventListener, { signal: context.stop });
}
