/** The choice of a language, each under its own name. */
import type { Context } from "../context";
import { h } from "../dom";
import { languagesOf, remember } from "../language";
import { icon } from "./icons";

/** Nothing where there is only one. */
export function drawLanguages({ t, state, payload, effect }: Context): HTMLElement | null {
  const choices = languagesOf(payload);
  if (choices.length < 2) return null;
  const options = choices.map(([code, name]) => h("option", { value: code, lang: code.replace("_", "-") }, name));
  const name = t("ui.language");
  const select = h("select", { title: name, "aria-label": name }, ...options);
  effect(() => void (select.value = state.lang.value));
  select.addEventListener("change", () => {
    remember(select.value);
    state.lang.value = select.value;
  });
  return h("span", { class: "language" }, select, icon("down"));
}
