/** Why a run proves nothing, and what would. */
import type { Diagnose } from './diagnosis.ts';

export const endedBeforeRestart: Diagnose = (subject) =>
  subject.found('ended-before-strike') || subject.found('ended-by-old-worker')
    ? { hold: subject.history.of('hold:placed').length > 0 ? 1 : 0, by: subject.facts.by }
    : undefined;

export const workerNotRestarted: Diagnose = (subject) => {
  if (!subject.found('worker-still-there') && !subject.found('worker-not-seen-gone')) return undefined;
  if (subject.facts.by === 'auto') return undefined;
  return { pids: subject.facts.stillThere?.pids.join(' ') ?? '' };
};

/** The harness's own signal was sent, and the worker lives on. */
export const signalSwallowed: Diagnose = (subject) => {
  if (!subject.found('worker-still-there') || subject.facts.by !== 'auto') return undefined;
  const { faults, stillThere } = subject.facts;
  return { signal: faults[0]?.signal ?? null, pids: stillThere?.pids.join(' ') ?? '' };
};

export const stoppedPolitely: Diagnose = (subject) =>
  subject.found('handed-back-politely') ||
  (subject.found('ended-by-old-worker') && subject.facts.by !== 'auto')
    ? { by: subject.facts.by }
    : undefined;

export const orphanChildren: Diagnose = (subject) => (subject.found('write-after-gone') ? {} : undefined);

export const anotherWorker: Diagnose = (subject) => (subject.found('holder-not-struck') ? {} : undefined);

export const holdHurt: Diagnose = (subject) =>
  subject.found('hold-hurt') || subject.found('hold-broken') ? {} : undefined;

export const noSuccessor: Diagnose = (subject) =>
  subject.found('no-new-worker') ? { by: subject.facts.by } : undefined;
