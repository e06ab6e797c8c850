/** The view as an anywidget: traits in, selection and tab both ways. */
import type { Model } from "./bridge";
import { h } from "./dom";
import { mount, type Mounted } from "./mount";
import { isTheme } from "./payload";
import { effect } from "./signals";
import { isTab } from "./state";
import css from "./style.css";

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const place = h("div", null);
  el.append(place);
  let close = show(model, place);
  const end = listen(model, {
    payload: () => {
      close();
      close = show(model, place);
    },
  });
  return () => {
    end();
    close();
    place.remove();
  };
}

/** Draws the payload that the model holds, and keeps traits and view the same until it is closed. */
function show(model: Model, place: HTMLElement): () => void {
  const view = mount(place, model.get("payload"), css);
  const { selection, tab } = view.state;
  view.state.live.value = true;
  const read = {
    theme: () => readTheme(model, view),
    selection: () => void (selection.value = String(model.get("selection") ?? "")),
    tab: () => readTab(model, view),
  };
  Object.values(read).forEach((one) => one());
  const end = listen(model, read);
  const ends = [effect(() => write(model, "selection", selection.value)), effect(() => write(model, "tab", tab.value))];
  return () => {
    end();
    ends.forEach((one) => one());
    view.remove();
  };
}

function readTheme(model: Model, view: Mounted): void {
  const theme = model.get("theme");
  if (isTheme(theme)) view.setTheme(theme);
}

function readTab(model: Model, { state }: Mounted): void {
  const tab = model.get("tab");
  if (isTab(tab)) state.tab.value = tab;
}

function write(model: Model, name: string, value: string): void {
  if (model.get(name) === value) return;
  model.set(name, value);
  model.save_changes();
}

function listen(model: Model, readers: Record<string, () => void>): () => void {
  const entries = Object.entries(readers).map(([name, read]) => [`change:${name}`, read] as const);
  for (const [event, read] of entries) model.on(event, read);
  return () => entries.forEach(([event, read]) => model.off(event, read));
}

export default { render };
