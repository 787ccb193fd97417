/** What a job's items left behind, compared with what they should have: every item once. */
import { isTerminal } from './event.ts';
import { isAfter, isBefore, type History } from './history.ts';
import type { RestartFacts } from './restart.ts';

export interface Effects {
  readonly items: number;
  readonly missing: readonly string[];
  readonly repeated: readonly { readonly item: string; readonly count: number }[];
  /** There are effects, and none of them is of an item of the job: they are called by other names. */
  readonly unknown: boolean;
}

/** The last count of a job's effects; `undefined` where they were not counted. */
export function effectsOf(history: History, job: string | undefined): Effects | undefined {
  const counted = history.of('effects:counted').findLast((event) => event.job === job);
  const files = history.of('job:created').find((event) => event.job === job)?.files;
  if (counted === undefined || files === undefined) return undefined;
  const counts = new Map(counted.effects.map((effect) => [effect.item, effect.count]));
  const own = new Set(files);
  const unknown = counted.effects.length > 0 && !counted.effects.some(({ item }) => own.has(item));
  return {
    items: files.length,
    missing: unknown ? [] : files.filter((file) => (counts.get(file) ?? 0) === 0),
    repeated: counted.effects.filter((effect) => effect.count > 1),
    unknown,
  };
}

/**
 * Items whose effect was not there when the job had been completed, and is in the end. Of a job that was taken up again
 * after its end nothing can be said.
 */
export function lateEffects(history: History, { job, terminal, changes }: RestartFacts): readonly string[] {
  if (terminal?.values.state !== 'completed') return [];
  const wasLeft = changes.some(
    ({ values, ...version }) => isAfter(version, terminal) && values !== null && !isTerminal(values.state),
  );
  const atEnd = history.of('effects:counted').find((event) => event.job === job && isBefore(terminal, event));
  const missing = new Set(effectsOf(history, job)?.missing);
  const there = new Set(atEnd?.effects.filter(({ count }) => count > 0).map(({ item }) => item));
  const files = history.of('job:created').find((event) => event.job === job)?.files ?? [];
  return wasLeft || atEnd === undefined ? [] : files.filter((file) => !there.has(file) && !missing.has(file));
}
