/** The criteria in the order of the report. One line a criterion; its file says what it checks and what would fool it. */
import type { CriterionLevel } from '../event.ts';
import { first, type History } from '../history.ts';
import type { RestartFacts } from '../restart.ts';
import type { JudgedCriterion } from '../verdict.ts';
import { judgeSafely, type Criterion } from './criterion.ts';
import { backoffHonoured } from './backoff-honoured.ts';
import { effectsExactlyOnce } from './effects-exactly-once.ts';
import { jobPersisted } from './job-persisted.ts';
import { noDuplicateJobs } from './no-duplicate-jobs.ts';
import { pickedUpAgain } from './picked-up-again.ts';
import { progressMonotonic } from './progress-monotonic.ts';
import { queueDrained } from './queue-drained.ts';
import { reachedTerminal } from './reached-terminal.ts';
import { restartObserved } from './restart-observed.ts';
import { retriesAccounted } from './retries-accounted.ts';
import { sameOutcome } from './same-outcome.ts';
import { singleWriter } from './single-writer.ts';
import { terminalIsFinal } from './terminal-is-final.ts';
import { timestampsPreserved } from './timestamps-preserved.ts';
import { witnessesUnharmed } from './witnesses-unharmed.ts';

export const CRITERIA = {
  'job-persisted': jobPersisted,
  'picked-up-again': pickedUpAgain,
  'reached-terminal': reachedTerminal,
  'timestamps-preserved': timestampsPreserved,
  'no-duplicate-jobs': noDuplicateJobs,
  'restart-observed': restartObserved,
  'progress-monotonic': progressMonotonic,
  'single-writer': singleWriter,
  'terminal-is-final': terminalIsFinal,
  'retries-accounted': retriesAccounted,
  'backoff-honoured': backoffHonoured,
  'effects-exactly-once': effectsExactlyOnce,
  'queue-drained': queueDrained,
  'same-outcome': sameOutcome,
  'witnesses-unharmed': witnessesUnharmed,
} as const satisfies Record<string, Criterion>;

/** Judges every criterion that is not `off`, in the registry's order. */
export function judgeCriteria(history: History, facts: RestartFacts): readonly JudgedCriterion[] {
  const levels = first(history, 'run:started')?.levels ?? {};
  const levelOf = (id: string): CriterionLevel => levels[id] ?? 'required';
  return Object.values(CRITERIA)
    .filter((criterion) => levelOf(criterion.id) !== 'off')
    .map((criterion) => judgeSafely(criterion, levelOf(criterion.id), history, facts));
}
