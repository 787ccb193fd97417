/** Kinds of defect that a BullMQ worker can have and that no row shows yet, each with what it waits for. */
import type { DiagnosisId } from '../../core/diagnosis/index.ts';
import type { KnownScenarioName } from '../../core/scenario-names.ts';

export interface WaitingDefect {
  readonly defect: DiagnosisId | (string & {});
  /** `explore`: a crash between two particular requests. */
  readonly needs: KnownScenarioName | 'explore' | (string & {});
  readonly why: string;
}

export const WAITING: readonly WaitingDefect[] = [
  {
    defect: 'completed-before-effects',
    needs: 'explore',
    why: 'only a crash between the write of COMPLETED and the last effect shows it',
  },
];
