/** The view as an anywidget: traits in, selection, tab and language both ways. */
import { h } from "./dom";
import { linkOf, type Model } from "./hub";
import { joinNudges, known } from "./link";
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
  const { selection, tab, lang } = view.state;
  view.state.live.value = true;
  const read = {
    theme: () => readTheme(model, view),
    selection: () => readSelection(model, view),
    tab: () => readTab(model, view),
    lang: () => void (lang.value = String(model.get("lang") || lang.value)),
    moment: () => readMoment(model, view),
  };
  Object.values(read).forEach((one) => one());
  const end = listen(model, read);
  const began = lang.value;
  const ends = [
    effect(() => write(model, "selection", known(selection.value))),
    effect(() => write(model, "tab", tab.value)),
    effect(() => write(model, "moment", view.end > view.state.moment.value ? view.state.moment.value : null)),
    joinNudges(view.state, linkOf(model)),
    // The trait stays empty until somebody chooses.
    effect(() => (model.get("lang") || lang.value !== began) && write(model, "lang", lang.value)),
  ];
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

function readSelection(model: Model, { state }: Mounted): void {
  const item = String(model.get("selection") ?? "");
  if (item !== known(state.selection.value)) state.selection.value = item;
}

function readTab(model: Model, { state }: Mounted): void {
  const tab = model.get("tab");
  if (isTab(tab)) state.tab.value = tab;
}

/** The end of the recording is None: nobody has to know how many moments there are. */
function readMoment(model: Model, { state, end }: Mounted): void {
  const moment = model.get("moment");
  state.moment.value = typeof moment === "number" ? Math.max(0, Math.min(moment, end)) : end;
}

function write(model: Model, name: string, value: string | number | null): void {
  if ((model.get(name) ?? null) === value) return;
  model.set(name, value);
  model.save_changes();
}

function listen(model: Model, readers: Record<string, () => void>): () => void {
  const entries = Object.entries(readers).map(([name, read]) => [`change:${name}`, read] as const);
  for (const [event, read] of entries) model.on(event, read);
  return () => entries.forEach(([event, read]) => model.off(event, read));
}

export default { render };
