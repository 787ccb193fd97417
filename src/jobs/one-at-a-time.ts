/**
 * Keeps a task from running beside itself. A call runs the task from its beginning after the call: it joins a run
 * that waits its turn, never one that has begun. So calls that come faster than the task ends do not pile up.
 */
export function oneAtATime(task: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  let waiting: Promise<void> | null = null;
  const start = (): Promise<void> => {
    waiting = null;
    const run = task();
    running = run;
    const over = (): void => {
      if (running === run) running = null;
    };
    run.then(over, over);
    return run;
  };
  return () => {
    if (running === null && waiting === null) return start();
    waiting ??= (running ?? Promise.resolve()).then(start, start);
    return waiting;
  };
}
