/** What tells neighbouring causes apart, and what each of them says: the values behind the sentences. */
import { describe, expect, test } from 'vitest';
import { aRun, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs } from '../../testing/judged.ts';
import { judge } from '../report.ts';

function causes(run: RunBuilder): readonly string[] {
  return diagnosedAs(run.end());
}

function valuesOf(run: RunBuilder, id: string): unknown {
  return judge(run.end()).diagnoses.find((diagnosis) => diagnosis.id === id)?.values;
}

const OPERATOR = { restartBy: 'operator' } as const;
const stillThere = (run: RunBuilder, pids: readonly number[]): RunBuilder =>
  run.event({ kind: 'worker:still-there', incarnation: 1, pids, connections: [] });

describe('a run that proves nothing', () => {
  test('says whether the job was held, and who restarted', () => {
    const ended = (held: boolean): RunBuilder => {
      const run = inFlight(OPERATOR);
      if (held) run.event({ kind: 'hold:placed', job: 'job-1', backendPid: 1 });
      return run.completed().strike().gone();
    };
    expect(valuesOf(ended(true), 'ended-before-restart')).toEqual({ hold: 1, by: 'operator' });
    expect(valuesOf(ended(false), 'ended-before-restart')).toEqual({ hold: 0, by: 'operator' });
  });

  test('three seconds after the end of the job the worker did not leave with it', () => {
    const left = (ms: number): readonly string[] =>
      causes(inFlight(OPERATOR).strike().completed().wait(ms).gone().starts(2));
    expect(left(2_900)).toEqual(['stopped-politely']);
    expect(left(3_000)).toEqual(['ended-before-restart']);
  });

  test('the main process that lives on swallowed the signal, the others of its tree are orphans', () => {
    expect(causes(stillThere(inFlight().strike(), [4001, 4002]))).toEqual(['signal-swallowed']);
    expect(valuesOf(stillThere(inFlight().strike(), [4001]), 'signal-swallowed')).toEqual({
      signal: 'SIGKILL',
      pids: '4001',
    });
    expect(causes(stillThere(inFlight().strike(), [4002]))).toEqual(['orphan-children']);
    expect(valuesOf(stillThere(inFlight().strike(), [4002, 4003]), 'orphan-children')).toEqual({
      pids: '4002 4003',
    });
    expect(causes(stillThere(inFlight({ restartBy: 'command' }).strike(), [4002]))).toEqual([
      'worker-not-restarted',
    ]);
  });

  test('writes of nobody: how they were observed', () => {
    const run = (pooled: boolean): RunBuilder =>
      inFlight({ ...OPERATOR, source: 'poll', pooled })
        .strike()
        .gone('processes', false)
        .starts(2)
        .progress(40);
    expect(valuesOf(run(false), 'writers-unknown')).toEqual({ source: 'poll', pooled: 0 });
    expect(valuesOf(run(true), 'writers-unknown')).toEqual({ source: 'poll', pooled: 1 });
  });

  test('the end of the struck worker is told, not that of another', () => {
    const run = inFlight().exits(2, 7, 'the other').exits(1, 3, 'Error: none').strike().gone();
    expect(valuesOf(run, 'died-before-strike')).toEqual({
      incarnation: 1,
      exitCode: 3,
      signal: null,
      lastLine: 'Error: none',
    });
  });

  test('a status that nothing maps is named where it may be the reason', () => {
    const run = restarted().row({ status: 'archived' }, 2).timesOut();
    expect(valuesOf(run, 'status-not-mapped')).toEqual({ status: 'archived' });
  });
});

describe('what nobody took', () => {
  test('waits for somebody who listens, told with the queues of those who are there', () => {
    const waiting = (facts: object): RunBuilder =>
      restarted()
        .broker({ state: 'waiting', owner: null, due: { kind: 'now' }, facts: { ...facts } })
        .timesOut();
    expect(valuesOf(waiting({}), 'nobody-listens')).toEqual({ connected: 1, queues: null });
    expect(valuesOf(waiting({ workerQueues: 'other' }), 'nobody-listens')).toEqual({
      connected: 1,
      queues: 'other',
    });
    const fetched = restarted().broker({ state: 'waiting', owner: 'token-of-2', due: { kind: 'now' } });
    expect(causes(fetched.timesOut())).not.toContain('nobody-listens');
    expect(causes(restarted().exits(2, 1).broker({ state: 'waiting', owner: null }).timesOut())).toEqual([
      'successor-died',
    ]);
  });

  test('a row that was deleted is its new worker’s doing only if that is known', () => {
    expect(causes(restarted().deletes(2).timesOut())).toContain('deleted-at-boot');
    expect(causes(restarted().deletes('psql').timesOut())).not.toContain('deleted-at-boot');
    expect(causes(inFlight().deletes(1).strike().gone().starts(2))).not.toContain('deleted-at-boot');
  });
});
