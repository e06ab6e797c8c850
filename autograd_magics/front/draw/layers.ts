/** The choice of an order of derivatives, where there are several. */
import type { Context } from "../context";
import { h } from "../dom";
import { hasLayer, layersOf } from "../layers";
import { pictureOf } from "../picture";
import type { Translate } from "../text";

/** Names of all, and of the orders that have one of their own. */
const NAMES = ["ui.layer_all", "ui.layer_1", "ui.layer_2", "ui.layer_3"];

export function drawLayers({ t, payload, state, effect }: Context): HTMLElement | null {
  const layers = layersOf(payload);
  if (layers.length === 0) return null;
  const buttons = [0, ...layers].map((layer) => {
    const choose = (): void => void (state.layer.value = layer);
    const button = h("button", { type: "button", title: titleOf(t, layer), onclick: choose }, nameOf(t, layer));
    effect(() => {
      const picture = pictureOf(payload, state.mode.value);
      const shown = hasLayer(picture, state.layer.value) ? state.layer.value : 0;
      button.disabled = !hasLayer(picture, layer);
      button.setAttribute("aria-pressed", String(shown === layer));
    });
    return button;
  });
  const group = h("span", { class: "seg", role: "group", "aria-label": t("ui.layers") }, ...buttons);
  return h("span", { class: "layers" }, group, h("span", { class: "word dim" }, t("ui.layer_word")));
}

function nameOf(t: Translate, layer: number): string {
  const name = NAMES[layer];
  return name === undefined ? t("ui.layer_n", { n: layer }) : t(name);
}

function titleOf(t: Translate, layer: number): string {
  if (layer === 0) return t("ui.layer_all_title");
  return layer === 1 ? t("ui.layer_1_title") : t("ui.layer_n_title", { n: layer });
}
