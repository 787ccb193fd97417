/** Kinds of defect that a BullMQ worker can have and that no row shows yet, each with what it waits for. */
import type { DiagnosisId } from '../../core/diagnosis/index.ts';
import type { KnownScenarioName } from '../../core/scenario-names.ts';

export interface WaitingDefect {
  readonly defect: DiagnosisId | (string & {});
  /** `explore`: a crash between two particular requests. */
  readonly needs: KnownScenarioName | 'explore';
  readonly why: string;
}

export const WAITING: readonly WaitingDefect[] = [
  {
    defect: 'not-consuming-after-reconnect',
    needs: 'broker-restart',
    why: 'the worker is well until the broker, or the database (database-restart), has been away and came back',
  },
  {
    defect: 'died-on-disconnect',
    needs: 'database-disconnect',
    why: 'an idle connection has to break while nothing else happens to the worker',
  },
  {
    defect: 'not-yet-due',
    needs: 'outage',
    why: 'a recovery that comes late shows as not yet due; that it comes late though nobody was there for longer than the lock takes an outage',
  },
  {
    defect: 'completed-before-effects',
    needs: 'explore',
    why: 'only a crash between the write of COMPLETED and the last effect shows it; that an effect came after the end is said, and an outbox does that rightly',
  },
  {
    defect: 'no-fencing',
    needs: 'freeze',
    why: 'the old worker must write after its successor has claimed; it is shown by a child that outlives its parent, not yet by a worker that was frozen',
  },
  {
    defect: 'effect-and-mark-apart',
    needs: 'explore',
    why: 'shown where the two are far apart in time; where they follow at once only a crash between the two requests shows it',
  },
  {
    defect: 'children-enqueued-twice',
    needs: 'explore',
    why: 'shown where the run waits for its children; where it only enqueues them, only a crash between enqueuing and acknowledging shows it',
  },
];
