/** How rows of BullMQ workers are made: one line, a row on each backend. */
import { BROKEN_BULLMQ } from '../../../fixtures/broken-workers/defects/bullmq.ts';
import type { CorpusRow, Expectation, TargetKind } from './row.ts';

export type BullmqBackend = 'redis' | 'postgres';

type Options = Partial<Pick<CorpusRow, 'name' | 'scenario' | 'strikeAt' | 'flags' | 'config' | 'setup'>> & {
  /** Both, unless the defect can be shown on one alone. */
  readonly backends?: readonly BullmqBackend[];
};

const BOTH: readonly BullmqBackend[] = ['redis', 'postgres'];

/**
 * A bundled broken worker, as it is listed in `fixtures/broken-workers/defects`.
 * @throws Error for a name that is not listed
 */
export function brokenBullmq(
  name: string,
  expect: Omit<Expectation, 'verdict'> & Partial<Expectation>,
): readonly CorpusRow[] {
  const defect = BROKEN_BULLMQ.find((listed) => listed.name === name);
  if (defect === undefined) throw new Error(`${name} is not listed among the broken BullMQ workers`);
  const { worker = name, backend: only, ...shown } = defect;
  return (only === undefined ? BOTH : [only]).map((backend) => ({
    ...shown,
    target: targetOf(backend),
    worker: `broken-workers/bullmq/${worker}`,
    expect: { verdict: 'failed', ...expect },
  }));
}

/** @param worker the script in `fixtures/`; its name is the last part of the path */
export function correctBullmq(
  worker: string,
  note: string,
  { backends = BOTH, ...options }: Options = {},
  expect: Expectation = { verdict: 'passed' },
): readonly CorpusRow[] {
  return backends.map((backend) => ({
    name: worker.replace(/^.*\//, ''),
    target: targetOf(backend),
    worker,
    scenario: 'crash',
    strikeAt: 'progress',
    note,
    expect,
    ...options,
  }));
}

function targetOf(backend: BullmqBackend): TargetKind {
  return `bullmq-${backend}`;
}
