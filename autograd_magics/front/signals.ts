/** Values that tell their users when they change. */

export interface Signal<T> {
  value: T;
}

interface Run {
  work: () => void;
  /** The lists of users that this run stands in. */
  lists: Set<Set<Run>>;
}

let running: Run | null = null;
let depth = 0;
const waiting = new Set<Run>();

export function signal<T>(initial: T): Signal<T> {
  let current = initial;
  const users = new Set<Run>();
  return {
    get value(): T {
      if (running) {
        users.add(running);
        running.lists.add(users);
      }
      return current;
    },
    set value(next: T) {
      if (Object.is(next, current)) return;
      current = next;
      batch(() => users.forEach((run) => waiting.add(run)));
    },
  };
}

/** Does the work now, and again after each change of a signal that it read.  Returns what ends it. */
export function effect(work: () => void): () => void {
  const run: Run = { work, lists: new Set() };
  start(run);
  return () => {
    waiting.delete(run);
    forget(run);
  };
}

/** Changes several signals before any effect runs. */
export function batch(changes: () => void): void {
  depth += 1;
  try {
    changes();
  } finally {
    depth -= 1;
    if (depth === 0) flush();
  }
}

/** Reads signals without becoming their user. */
export function untracked<T>(read: () => T): T {
  const outer = running;
  running = null;
  try {
    return read();
  } finally {
    running = outer;
  }
}

function start(run: Run): void {
  forget(run);
  const outer = running;
  running = run;
  try {
    run.work();
  } finally {
    running = outer;
  }
}

function forget(run: Run): void {
  run.lists.forEach((users) => users.delete(run));
  run.lists.clear();
}

function flush(): void {
  for (const run of waiting) {
    waiting.delete(run);
    start(run);
  }
}
