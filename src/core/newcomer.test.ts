/** A job that nobody takes, where the user's own command was to start the worker that should have. */
import { describe, expect, test } from 'vitest';
import { inFlight, type RunBuilder } from '../testing/history-builder.ts';
import { diagnosedAs, judgedAs } from '../testing/judged.ts';

const NEIGHBOUR = 'witness-waiting';

/** With a job behind it, and nobody takes either. */
function untaken(restartBy: 'auto' | 'command', come: (run: RunBuilder) => RunBuilder): RunBuilder {
  const run = inFlight({ restartBy, named: restartBy === 'auto' });
  run.of(NEIGHBOUR).job(NEIGHBOUR).submitted().of('subject').strike().gone();
  return come(run).timesOut();
}

function outcomes(run: RunBuilder): readonly string[] {
  const history = run.end();
  return (['picked-up-again', 'reached-terminal', 'witnesses-unharmed'] as const).map(
    (criterion) => judgedAs(history, criterion).split(' ').at(0) ?? '',
  );
}

const FAILED = ['failed', 'failed', 'failed'];

describe('nobody takes the job', () => {
  test('and no new worker was seen to come: it was given to nobody', () => {
    const run = untaken('command', (struck) => struck);
    expect(outcomes(run)).toEqual(['inconclusive', 'inconclusive', 'inconclusive']);
    expect(diagnosedAs(run.history())).toContain('no-successor');
  });

  test('nor does it matter when it would have been due', () => {
    const due = { due: { kind: 'at', atMs: 900_000 } } as const;
    const history = untaken('command', (struck) => struck.broker(due)).end();
    expect(judgedAs(history, 'reached-terminal')).toBe('inconclusive not-terminal no-new-worker');
    expect(diagnosedAs(history)).toEqual(['no-successor']);
  });

  test('and one was there: it is lost', () => {
    expect(outcomes(untaken('command', (struck) => struck.starts(2).ready(2)))).toEqual(FAILED);
  });

  test('and what the harness started did not come up: it is lost', () => {
    expect(outcomes(untaken('auto', (struck) => struck.starts(2).exits(2, 1)))).toEqual(FAILED);
  });
});
