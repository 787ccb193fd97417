/** A worker that should have gone, or a part of it, that lives on: not restarted, deaf, or an orphan. */
import { describe, expect, test } from 'vitest';
import {
  handedOver,
  inFlight,
  restarted,
  type RunBuilder,
  type RunOptions,
} from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';
import { createHistory } from '../history.ts';
import { judge } from '../report.ts';

const causes = (run: RunBuilder): readonly string[] => diagnosedAs(run.end());
const BY_OPERATOR = { restartBy: 'operator', named: false } as const;

/** Struck; of its processes, of which the main one is 4001, these are there still. */
const left = (pids: readonly number[], options: RunOptions = {}): RunBuilder =>
  inFlight(options).strike().event({ kind: 'worker:still-there', incarnation: 1, pids, connections: [] });

describe('not restarted', () => {
  test('by the person who was asked, or by the command', () => {
    expect(causes(left([4001], BY_OPERATOR).completed())).toEqual(['worker-not-restarted']);
    const run = left([4001], { restartBy: 'command', named: false }).completed();
    expect(judge(run.end()).diagnoses).toEqual([
      { id: 'worker-not-restarted', values: { pids: '4001', by: 'command' } },
    ]);
    expect(causes(left([4002], { restartBy: 'command' }))).toEqual(['worker-not-restarted']);
  });

  test('it only reconnected', () => {
    const run = inFlight(BY_OPERATOR).strike().gone('connections', false).starts(2).ready(2);
    expect(causes(run)).toContain('worker-not-restarted');
  });

  test('is not said where it was', () => {
    expect(causes(handedOver(BY_OPERATOR))).toEqual([]);
  });
});

describe('struck by the harness', () => {
  test('the main process lives on: it swallowed the signal', () => {
    const polite = left([4001], { polite: true }).completed();
    expect(judge(polite.end()).diagnoses).toEqual([
      { id: 'signal-swallowed', values: { signal: 'SIGTERM', pids: '4001' } },
    ]);
    const killed = left([4001, 4002]).end();
    expect(diagnosedAs(killed)).toEqual(['signal-swallowed']);
    const values = { signal: 'SIGKILL', pids: '4001 4002' };
    expect(valuesOfDiagnosis(killed, 'signal-swallowed')).toEqual(values);
  });

  test('others of its tree do: orphans', () => {
    const history = left([4002, 4003]).end();
    expect(diagnosedAs(history)).toEqual(['orphan-children']);
    expect(valuesOfDiagnosis(history, 'orphan-children')).toEqual({ pids: '4002 4003' });
  });

  test('… to which whoever had started them did not pass on a signal that asks', () => {
    expect(judge(left([4100], { polite: true }).completed().end()).diagnoses).toMatchObject([
      { id: 'signal-swallowed', values: { signal: 'SIGTERM', pids: '4100', passedOn: 0 } },
      { id: 'orphan-children' },
    ]);
  });

  test('which of them is the main one is not known: then they are no orphans', () => {
    const unknown = left([4002])
      .end()
      .events.filter(({ kind }) => kind !== 'worker:processes');
    expect(diagnosedAs(createHistory(unknown))).toEqual(['signal-swallowed']);
  });
});

describe('gone, and the work goes on', () => {
  test('by a part of it that was left behind', () => {
    expect(causes(restarted().progress(40, 1).progress(60, 1).completed(1))).toEqual(['orphan-children']);
  });

  /** How long after the strike the old worker writes its progress, then its end. */
  const goesOn = (ms: number, options: RunOptions = {}): RunBuilder =>
    inFlight(options)
      .strike()
      .wait(ms - 10)
      .progress(60, 1)
      .completed(1);
  const next = (run: RunBuilder): readonly string[] => causes(run.gone().starts(2).ready(2));

  test('by what was none of its processes, since they were killed', () => {
    expect(next(goesOn(510))).toEqual(['orphan-children']);
  });

  test('for half a second that is what the server was still busy with, and longer if it is one transaction', () => {
    expect(next(goesOn(500))).toEqual(['ended-before-restart']);
    expect(next(inFlight().strike().wait(5_000).completed(1))).toEqual(['ended-before-restart']);
    expect(next(goesOn(510, { source: 'poll' }))).toEqual(['ended-before-restart']);
  });

  test('of a job that had ended before all that: there was nothing to interrupt', () => {
    const ended = inFlight().completed().strike().wait(5_000).progress(90, 1).progress(95, 1);
    expect(next(ended)).toContain('ended-before-restart');
    expect(next(ended)).not.toContain('orphan-children');
  });

  test('of a worker that was asked, as it should; of one whose main process alone was killed', () => {
    expect(next(goesOn(5_000, { polite: true }))).toEqual([]);
    const alone = inFlight().strike('SIGKILL', 'process').wait(5_000).progress(60, 1).completed(1);
    expect(next(alone)).toEqual(['ended-before-restart']);
  });
});
