/** A button that opens a small panel under it; Escape, a click elsewhere or leaving it closes it. */
import { h, type Child } from "../dom";
import { step } from "../keyboard";

export interface Popup {
  element: HTMLElement;
  toggle(): void;
}

export interface PopupLook {
  /** What stands on the button. */
  face: Child[];
  name: string;
  kind: "menu" | "dialog";
}

export function popup({ face, name, kind }: PopupLook, panel: HTMLElement): Popup {
  const look = { type: "button", "aria-haspopup": kind, "aria-expanded": "false", title: name, "aria-label": name };
  const button = h("button", look, ...face);
  const element = h("span", { class: "popup" }, button, panel);
  panel.setAttribute("role", kind);
  panel.setAttribute("aria-label", name);
  panel.tabIndex = -1;
  panel.hidden = true;
  const open = (wanted: boolean): void => {
    panel.hidden = !wanted;
    button.setAttribute("aria-expanded", String(wanted));
    if (wanted) (panel.querySelector<HTMLElement>("[role=menuitem]") ?? panel).focus({ preventScroll: true });
  };
  const close = (): void => {
    if (panel.hidden) return;
    open(false);
    button.focus({ preventScroll: true });
  };
  button.addEventListener("click", () => open(panel.hidden));
  panel.addEventListener("click", (event) => (event.target as Element).closest("[role=menuitem]") && close());
  element.addEventListener("focusout", (event) => {
    if (!element.contains(event.relatedTarget as Node | null)) open(false);
  });
  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !panel.hidden) close();
    else if (!moveIn(panel, event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  return { element, toggle: () => open(panel.hidden) };
}

function moveIn(panel: HTMLElement, event: KeyboardEvent): boolean {
  const items = [...panel.querySelectorAll<HTMLElement>("[role=menuitem]")];
  const at = items.indexOf(event.target as HTMLElement);
  const next = at < 0 ? -1 : step(at, items.length, event.key);
  items[next]?.focus();
  return next >= 0;
}
