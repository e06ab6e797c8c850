/** Elements from plain values.  Text only becomes text nodes: nothing from a user's program can become markup. */

const SVG = "http://www.w3.org/2000/svg";

export type Child = Node | string | null | undefined | false;
type Value = string | number | boolean | null | undefined;
type Listener = (event: never) => void;
export type Props = Record<string, Value | Listener>;

type Html = HTMLElementTagNameMap;
type Svg = SVGElementTagNameMap;

/** An HTML element.  A function under `onclick` and the like is a listener; false and null leave the attribute out. */
export function h<K extends keyof Html>(tag: K, props: Props | null, ...children: Child[]): Html[K] {
  return fill(document.createElement(tag), props, children);
}

/** The same in SVG. */
export function s<K extends keyof Svg>(tag: K, props: Props | null, ...children: Child[]): Svg[K] {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill<E extends Element>(element: E, props: Props | null, children: Child[]): E {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as unknown as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(...present(children));
  return element;
}

/** Puts these in the place of all that was in it. */
export function replace(element: Element, ...children: Child[]): void {
  element.replaceChildren(...present(children));
}

function present(children: Child[]): (Node | string)[] {
  return children.filter((child): child is Node | string => child != null && child !== false && child !== "");
}

/** A sentence in which `code` stands between backticks. */
export function rich(sentence: string): Node[] {
  const parts = sentence.split("`");
  if (parts.length % 2 === 0) return [document.createTextNode(sentence)];
  const nodes: Node[] = parts.map((part, i) => (i % 2 ? h("code", null, part) : document.createTextNode(part)));
  return nodes.filter((node) => node.textContent !== "");
}

/** Scrolls only the panel itself: `scrollIntoView` would move the notebook too. */
export function scrollWithin(panel: Element, element: Element): void {
  const outer = panel.getBoundingClientRect();
  const inner = element.getBoundingClientRect();
  if (inner.top >= outer.top && inner.bottom <= outer.bottom) return;
  const middle = (outer.height - Math.min(inner.height, outer.height)) / 2;
  panel.scrollTop += inner.top - outer.top - middle;
}
