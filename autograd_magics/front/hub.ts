/** Where a view in the page and the kernel's link to it find each other, whoever comes first. */

export interface Link {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  /** Calls back at each change of that name; returns what ends it. */
  on(name: string, callback: () => void): () => void;
}

/** What anywidget gives of a model in the kernel. */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: () => void): void;
  off(event: string, callback: () => void): void;
}

export function linkOf(model: Model): Link {
  return {
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
}

/** Called with the link when there is one, with null when it is gone. */
export type Listener = (link: Link | null) => void;

interface Hub {
  views: Record<string, Listener[]>;
  models: Record<string, Link>;
}

declare global {
  // eslint-disable-next-line no-var
  var __autograd_magics: Hub | undefined;
}

export function hub(): Hub {
  return (globalThis.__autograd_magics ??= { views: {}, models: {} });
}
