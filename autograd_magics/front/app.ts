/** The HTML output: draws every payload of the page that is not drawn yet, in the place of its static part. */
import { h } from "./dom";
import { followLink } from "./link";
import { mount } from "./mount";
import { unpacked } from "./packing";
import css from "./style.css";

async function read(blob: string): Promise<unknown> {
  const bytes = Uint8Array.from(atob(blob.trim()), (character) => character.charCodeAt(0));
  const packed = new Response(bytes).body;
  if (packed === null) throw new Error("the payload is empty");
  return new Response(packed.pipeThrough(new DecompressionStream("deflate"))).json();
}

/** The static part is hidden only when the view is there: whatever fails, something can be read. */
async function open(root: HTMLElement): Promise<void> {
  root.dataset.ready = "loading";
  const place = h("div", null);
  try {
    const data = unpacked(await read(root.querySelector(":scope > .agm-data")?.textContent ?? ""));
    root.append(place);
    followLink(root.dataset.agm ?? "", mount(place, data, css).state);
    root.querySelectorAll<HTMLElement>(":scope > .agm-static").forEach((part) => {
      part.hidden = true;
      part.style.display = "none";
    });
    root.dataset.ready = "1";
  } catch (error) {
    place.remove();
    root.dataset.ready = "failed";
    console.error("autograd_magics: the interactive view could not be drawn;", error);
  }
}

for (const root of document.querySelectorAll<HTMLElement>(".agm[data-agm]:not([data-ready])")) void open(root);
