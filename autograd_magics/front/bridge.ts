/** The kernel's end of the link to an HTML output: an anywidget without a view. */
import { hub, linkOf, type Model } from "./hub";

function initialize({ model }: { model: Model }): () => void {
  const run = String(model.get("run"));
  const link = linkOf(model);
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
