/** Light or dark, as the page around us is. */
import type { Theme } from "./payload";

const WATCHED = ["class", "style", "theme", "data-theme", "data-jp-theme-light", "data-vscode-theme-kind"];

/** Sets `data-theme` and `data-page` on the host, and keeps them right until the signal aborts. */
export function followTheme(host: HTMLElement, wanted: () => Theme, stop: AbortSignal): () => void {
  // A notebook takes outputs off the page and puts them back: only when ours is gone for good does watching end.
  const seen = new WeakRef(host);
  const update = (): void => {
    const there = seen.deref();
    if (there) applyTheme(there, wanted());
    else observer.disconnect();
  };
  const observer = new MutationObserver(update);
  for (const element of [document.documentElement, document.body]) {
    observer.observe(element, { attributes: true, attributeFilter: WATCHED });
  }
  stop.addEventListener("abort", () => observer.disconnect());
  preference()?.addEventListener("change", update, { signal: stop });
  update();
  return update;
}

function applyTheme(host: HTMLElement, wanted: Theme): void {
  const dark = wanted === "auto" ? isDark(host) : wanted === "dark";
  host.dataset.theme = dark ? "dark" : "light";
  // The page's own colours are only right where the theme is the page's own too.
  host.toggleAttribute("data-page", wanted === "auto" && hasColours());
}

/** What the page says of itself, else how bright it is behind us, else what the reader's system prefers. */
export function isDark(host: HTMLElement): boolean {
  const said = declared(document.documentElement, document.body);
  if (said !== null) return said;
  const brightness = brightnessBehind(host);
  return brightness !== null ? brightness < 0.5 : (preference()?.matches ?? false);
}

function declared(page: HTMLElement, body: HTMLElement): boolean | null {
  const jupyter = body.dataset.jpThemeLight;
  if (jupyter !== undefined) return jupyter === "false";
  const kind = body.dataset.vscodeThemeKind;
  if (kind !== undefined) return kind.includes("dark") || kind === "vscode-high-contrast";
  const colab = page.getAttribute("theme") ?? page.dataset.theme;
  return colab === "dark" ? true : colab === "light" ? false : null;
}

/** 0 (black) to 1 (white) of the first background that is not see-through. */
function brightnessBehind(host: HTMLElement): number | null {
  for (let element = host.parentElement; element; element = parentOf(element)) {
    const colour = getComputedStyle(element).backgroundColor.match(/[\d.]+/g) ?? [];
    const [r = 0, g = 0, b = 0, a = 1] = colour.map(Number);
    if (colour.length >= 3 && a > 0.5) return (0.299 * r + 0.587 * g + 0.114 * b) / 255;
  }
  return null;
}

function parentOf(element: HTMLElement): HTMLElement | null {
  const root = element.getRootNode();
  return element.parentElement ?? (root instanceof ShadowRoot ? (root.host as HTMLElement) : null);
}

function hasColours(): boolean {
  const style = getComputedStyle(document.body);
  const names = ["--jp-layout-color0", "--vscode-editor-background"];
  return names.some((name) => style.getPropertyValue(name).trim() !== "");
}

function preference(): MediaQueryList | null {
  return typeof matchMedia === "function" ? matchMedia("(prefers-color-scheme: dark)") : null;
}

export function prefersStillness(): boolean {
  return typeof matchMedia === "function" && matchMedia("(prefers-reduced-motion: reduce)").matches;
}
