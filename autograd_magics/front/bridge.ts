/** The kernel's end of the link to an HTML output: an anywidget without a view. */
import { hub, type Link } from "./hub";

export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: () => void): void;
  off(event: string, callback: () => void): void;
}

function initialize({ model }: { model: Model }): () => void {
  const run = String(model.get("run"));
  const link: Link = {
    get: (name) => model.get(name),
    set: (name, value) => {
      model.set(name, value);
      model.save_changes();
    },
    on: (name, callback) => {
      model.on(`change:${name}`, callback);
      return () => model.off(`change:${name}`, callback);
    },
  };
  const { models, views } = hub();
  models[run] = link;
  views[run]?.forEach((view) => view(link));
  return () => {
    if (models[run] !== link) return;
    delete models[run];
    views[run]?.forEach((view) => view(null));
  };
}

export default { initialize };
