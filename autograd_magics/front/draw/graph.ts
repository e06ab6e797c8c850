/** The picture: what of it is in sight, and where pointer and keys lead. */
import type { Context } from "../context";
import { h, replace, s } from "../dom";
import { isArrow, neighbour } from "../keyboard";
import { itemOf, type Box, type Item } from "../payload";
import { bounds, firstBox, indexPicture, pictureOf, type Index } from "../picture";
import { signal, untracked, type Signal } from "../signals";
import * as viewport from "../viewport";
import type { Size, View } from "../viewport";
import { decoration } from "./decoration";
import { drawLegend } from "./legend";
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
  /** Moves so that an item, or what belongs to it, is seen. */
  reveal(item: Item): void;
}

interface Shown {
  index: Index;
  scene: Scene;
  /** Shows the picture as it was at the present moment; returns the boxes of what happened then. */
  pose: () => Box[];
}

/** `choose` is called with the item of a box that was clicked or entered, and with "" for the empty ground. */
export function drawGraph(context: Context, choose: (item: Item) => void): Graph {
  const { t, state, payload } = context;
  const svg = s("svg", { class: "picture", role: "group", "aria-label": payload.headline });
  const empty = h("p", { class: "nothing" }, t("ui.empty"));
  const canvas = h("div", { class: "canvas" }, svg, empty);
  const list = h("ul", { class: "unseen", "aria-label": t("ui.as_text") });
  const screen = measured(context, canvas);
  const shown = signal(show(context));
  const picture = (): Size => shown.value.index.picture;
  const move = (to: View): void => {
    state.untouched.value = false;
    state.view.value = viewport.keepInReach(to, picture(), screen.value);
  };
  const revealBoxes = (boxes: readonly Box[]): void => {
    const to = viewOf(boxes, state.view.value, screen.value);
    if (to === state.view.value) return;
    state.untouched.value = false;
    glide(state.view, to);
  };
  context.effect(() => {
    if (pictureOf(payload, state.mode.value) === untracked(() => shown.value.index.picture)) return;
    const focused = svg.contains((svg.getRootNode() as Partial<ShadowRoot>).activeElement ?? null);
    shown.value = show(context);
    if (focused) untracked(() => shown.value.scene.element(state.cursor.value)?.focus({ preventScroll: true }));
  });
  context.effect(() => {
    present(shown.value, svg, list);
    untracked(() => beginAt(context, shown.value.index));
    empty.hidden = shown.value.index.boxes.size > 0;
  });
  context.effect(() => arrange(context, shown.value.index, screen.value, canvas));
  context.effect(() => {
    shown.value.scene.show(state.view.value, screen.value, state.cursor.value);
    showReach(canvas, state.view.value, picture(), screen.value);
  });
  context.effect(() => shown.value.scene.decorate(decoration(context, shown.value.index)));
  context.effect(() => {
    svg.dataset["now"] = payload.timeline?.kinds[state.moment.value] ?? "";
    const boxes = shown.value.pose();
    untracked(() => revealBoxes(boxes));
  });
  context.effect(() => svg.classList.toggle("no-grad", state.mode.value === "forward"));
  onClick(context, svg, move, choose);
  onKeys(context, svg, shown, choose, (box) => revealBoxes([box]));
  const middle = (): [number, number] => [screen.value.width / 2, screen.value.height / 2];
  return {
    element: h("section", { class: "graph", "aria-label": t("ui.graph") }, canvas, list, drawLegend(context)),
    zoom: (factor) => move(viewport.zoomAt(state.view.value, factor, ...middle())),
    fit: () => move(viewport.fit(picture(), screen.value)),
    reveal: (item) => revealBoxes(boxesOf(context, shown.value.index, item)),
  };
}

function show(context: Context): Shown {
  const index = indexPicture(pictureOf(context.payload, context.state.mode.value));
  const scene = new Scene(index);
  return { index, scene, pose: poser(context, index, scene) };
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
  replace(list, ...index.picture.boxes.map((box) => h("li", null, box.title)));
}

/** The keyboard begins at what is selected, or where reading begins. */
function beginAt({ state }: Context, index: Index): void {
  if (index.boxes.has(state.cursor.value)) return;
  const box = index.ofItem.get(state.selection.value)?.[0] ?? firstBox(index.picture);
  state.cursor.value = box?.id ?? "";
}

/** Height of the canvas and, until the reader moves, the view of it. */
function arrange({ state }: Context, index: Index, screen: Size, canvas: HTMLElement): void {
  canvas.style.minHeight = `${viewport.wantedHeight(index.picture, screen.width, LOWEST, HIGHEST)}px`;
  if (!state.untouched.value) return;
  state.view.value = viewport.opening(index.picture, screen, firstBox(index.picture)?.y ?? 0);
}

/** The boxes of an item, or where the picture has none, those of what belongs to it. */
function boxesOf(context: Context, index: Index, item: Item): readonly Box[] {
  const of = (one: Item): readonly Box[] => index.ofItem.get(one) ?? [];
  return of(item).length > 0 ? of(item) : [...context.related(item)].flatMap(of);
}

/** The nearest view with one of these boxes in it. */
function viewOf(boxes: readonly Box[], view: View, screen: Size): View {
  const views = boxes.map((box) => viewport.reveal(view, bounds(box), screen));
  return views.find((to) => to === view) ?? views[0] ?? view;
}

function onClick(context: Context, svg: SVGSVGElement, move: (to: View) => void, choose: (item: Item) => void): void {
  const { state, stop } = context;
  const wasDrag = followPointer({ element: svg, view: () => state.view.value, move, stop });
  const click = (event: Event): void => {
    if (wasDrag()) return;
    const id = (event.target as Element).closest("[data-box]")?.getAttribute("data-box") ?? "";
    if (id !== "") state.cursor.value = id;
    choose(itemOf(id));
  };
  svg.addEventListener("click", click, { signal: stop });
}

type Then<T> = (value: T) => void;

function onKeys(context: Context, svg: Element, shown: Signal<Shown>, choose: Then<Item>, reveal: Then<Box>): void {
  const { cursor } = context.state;
  const key = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = isArrow(event.key) && neighbour(shown.value.index, cursor.value, event.key);
    if (event.key === "Enter" || event.key === " ") choose(itemOf(cursor.value));
    else if (!isArrow(event.key)) return;
    event.preventDefault();
    if (!next) return;
    cursor.value = next.id;
    reveal(next);
    shown.value.scene.element(next.id)?.focus({ preventScroll: true });
  };
  svg.addEventListener("keydown", key as EventListener, { signal: context.stop });
}
