/** What every criterion is: a name, a title, and a pure function of the facts and the history. */
import type { CriterionLevel } from '../event.ts';
import { finding, type Finding } from '../findings.ts';
import { last, type History } from '../history.ts';
import type { RestartFacts } from '../restart.ts';
import type { CriterionStatus, JudgedCriterion, Judgement } from '../verdict.ts';

export interface Criterion {
  readonly id: string;
  readonly title: string;
  readonly judge: (history: History, facts: RestartFacts) => Judgement;
}

export function judgement(status: CriterionStatus, ...evidence: readonly Finding[]): Judgement {
  return { status, evidence };
}

/**
 * Nothing spoke against it. Where every change was recorded that is a pass. Polling sees states, not changes: a property
 * of the changes is then left unjudged, and `unseen` says what may have happened between two looks.
 */
export function passedIfAllWasSeen(
  history: History,
  unseen: string,
  ...evidence: readonly Finding[]
): Judgement {
  return isEveryChangeSeen(history)
    ? judgement('passed', ...evidence)
    : judgement('skipped', ...evidence, finding('unseen-by-polling', { unseen }));
}

/** By the trigger, to the end: by polling a change may come and go between two looks. */
export function isEveryChangeSeen(history: History): boolean {
  return last(history, 'observer:started')?.source === 'trigger';
}

/** A criterion that throws is inconclusive: it has not seen what it would need to say passed. */
export function judgeSafely(
  criterion: Criterion,
  level: CriterionLevel,
  history: History,
  facts: RestartFacts,
): JudgedCriterion {
  const { id, title } = criterion;
  try {
    return { id, title, level, ...criterion.judge(history, facts) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { id, title, level, ...judgement('inconclusive', finding('criterion-threw', { message })) };
  }
}
