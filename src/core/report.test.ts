import { describe, expect, test } from 'vitest';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../testing/history-builder.ts';
import { notPassed } from '../testing/judged.ts';
import { CRITERIA } from './criteria/index.ts';
import { createHistory } from './history.ts';
import { judge } from './report.ts';

function outcome(run: RunBuilder): string {
  const { verdict, outcome } = judge(run.end());
  return `${verdict}, ${outcome}`;
}

describe('verdict and outcome', () => {
  test.each<[string, RunBuilder, string]>([
    ['a hand-over', handedOver(), 'passed, handed-over'],
    ['a hand-over, by polling', handedOver({ source: 'poll' }), 'passed, handed-over'],
    ['a hand-over, behind a pooler', handedOver({ pooled: true, named: false }), 'passed, handed-over'],
    ['a person’s restart', handedOver({ restartBy: 'operator', named: false }), 'passed, handed-over'],
    ['a drain', inFlight({ polite: true }).strike().completed().gone().starts(2).ready(2), 'passed, drained'],
    [
      'a drain, by polling',
      inFlight({ polite: true, source: 'poll' }).strike().completed().gone().starts(2).ready(2),
      'passed, drained',
    ],
    [
      'a drain that is run again',
      inFlight({ polite: true }).strike().completed().gone().starts(2).picksUp(2).completed(),
      'failed, handed-over',
    ],
    [
      'a job that failed as it should',
      restarted({ fileMode: 'missing' }).picksUp(2).failed(),
      'passed, handed-over',
    ],
    ['a loss', restarted().timesOut(), 'failed, lost'],
    ['stuck', restarted().picksUp(2).timesOut(), 'failed, stuck'],
    ['no restart', inFlight().completed(), 'inconclusive, vacuous'],
    [
      'disarmed',
      inFlight().event({ kind: 'fault:disarmed', fault: 'SIGKILL' }).completed(),
      'inconclusive, vacuous',
    ],
    ['nothing at all', aRun(), 'inconclusive, vacuous'],
  ])('%s', (_name, run, expected) => {
    expect(outcome(run)).toBe(expected);
  });

  test('handed over, also where the broker’s count alone tells', () => {
    const run = inFlight({ restartBy: 'operator', source: 'poll' }).strike().gone('connections', true);
    const report = judge(run.starts(2).delivered(2).progress(40).completed().end());
    const picked = report.criteria.find(({ id }) => id === 'picked-up-again');
    expect(picked?.evidence.map(({ code }) => code)).toEqual(['picked-up-by-broker']);
    expect(report.outcome).toBe('handed-over');
  });

  test('a pass has passed every criterion that applies', () => {
    const history = handedOver().end();
    expect(notPassed(history)).toEqual({
      // Nothing retried, no query, no witnesses: there was nothing to judge.
      'backoff-honoured': 'skipped',
      'effects-exactly-once': 'skipped',
      'witnesses-unharmed': 'skipped',
    });
    expect(judge(history).criteria.map(({ id }) => id)).toEqual(Object.keys(CRITERIA));
  });
});

describe('levels', () => {
  test('what is off is not judged, what is advisory does not decide', () => {
    const levels = { 'timestamps-preserved': 'off', 'same-outcome': 'advisory' } as const;
    const report = judge(restarted({ levels }).picksUp(2).failed().end());
    expect(report.criteria.map(({ id }) => id)).not.toContain('timestamps-preserved');
    expect(report.criteria.find(({ id }) => id === 'same-outcome')).toMatchObject({
      status: 'inconclusive',
      level: 'advisory',
    });
    expect(report.verdict).toBe('passed');
  });

  test.each(['off', 'advisory'] as const)('no level lets a run without a restart pass: %s', (level) => {
    const levels = { 'restart-observed': level, 'picked-up-again': level };
    expect(outcome(inFlight({ levels }).completed())).toBe('inconclusive, vacuous');
    expect(outcome(handedOver({ levels }))).toBe('passed, handed-over');
  });
});

describe('what the history does not hold', () => {
  test('a history that breaks off never passes', () => {
    const report = judge(handedOver().history());
    expect(report.criteria.filter(({ status }) => status === 'failed')).toEqual([]);
    expect(report.verdict).toBe('inconclusive');
  });

  test('… though all that is judged had passed', () => {
    const { events } = handedOver().end();
    const { verdict, criteria } = judge(createHistory(events.slice(0, -1)));
    expect(criteria.filter(({ status }) => status !== 'passed' && status !== 'skipped')).toEqual([]);
    expect(verdict).toBe('inconclusive');
  });

  test('… but shows the failure that it holds', () => {
    expect(judge(restarted().deletes(2).history()).verdict).toBe('failed');
  });

  test('a run that was aborted has no verdict', () => {
    const run = restarted().event({ kind: 'run:aborted', reason: 'interrupted', text: 'interrupted' });
    expect(judge(run.end())).toMatchObject({
      verdict: 'error',
      aborted: { reason: 'interrupted', text: 'interrupted' },
    });
  });

  test('an empty history is judged too', () => {
    expect(judge(createHistory([]))).toMatchObject({
      verdict: 'inconclusive',
      outcome: 'vacuous',
      runId: '',
      workers: [],
    });
  });

  test('a history without its beginning is', () => {
    const events = handedOver().end().events.slice(1);
    expect(judge(createHistory(events))).toMatchObject({
      runId: '',
      workers: [{ startedAt: '' }, { startedAt: '' }],
    });
  });
});

test('judging twice gives the same', () => {
  const history = handedOver().end();
  expect(judge(history)).toEqual(judge(history));
  const copy = createHistory(JSON.parse(JSON.stringify(history.events)) as typeof history.events);
  expect(judge(copy)).toEqual(judge(history));
});

test('what the clean-up recorded after the end of the run is no observation', () => {
  const run = handedOver();
  const before = judge(run.end());
  expect(judge(run.deletes('harness').exits(2, 0).history())).toEqual(before);
});

describe('the facts of the report', () => {
  test('the job as it was at the end', () => {
    expect(judge(handedOver().end()).job).toEqual({
      id: 'job-1',
      files: 5,
      finalStatus: 'completed',
      finalState: 'completed',
      progress: 100,
      retryCount: 0,
      taskId: 'task-of-2',
    });
  });

  test('the times count from the strike', () => {
    const run = inFlight()
      .wait(1_000)
      .strike()
      .gone()
      .wait(300)
      .starts(2)
      .ready(2)
      .wait(700)
      .picksUp(2)
      .completed();
    const history = run.end();
    const at = (kind: string): number => history.events.find((event) => event.kind === kind)!.atMs;
    const struckAtMs = at('fault:injected');
    const { timings } = judge(history);
    expect(timings).toEqual({
      toProcessingMs: 20,
      downtimeMs: at('worker:ready') - struckAtMs,
      recoveryMs: at('worker:ready') + 720 - struckAtMs,
      restartToTerminalMs: at('worker:ready') + 730 - struckAtMs,
      totalMs: history.events.at(-1)!.atMs,
    });
    expect(timings.downtimeMs).toBe(350);
  });

  test('an end before the restart took no time after it, and a worker without a strike was not waited for', () => {
    expect(judge(inFlight().completed().strike().gone().end()).timings.restartToTerminalMs).toBeNull();
    const untouched = judge(inFlight().starts(2).ready(2).end()).timings;
    expect(untouched).toMatchObject({ downtimeMs: null, recoveryMs: null, restartToTerminalMs: null });
  });

  test('times are said to count from a restart only where one was seen', () => {
    const from = (run: RunBuilder): string => judge(run.end()).countedFrom;
    expect(from(handedOver())).toBe('restart');
    expect(from(inFlight().strike().timesOut())).toBe('strike');
    expect(from(inFlight().strike().gone().timesOut())).toBe('strike');
    expect(from(inFlight({ restartBy: 'operator' }).strike().timesOut())).toBe('request');
    expect(from(inFlight({ restartBy: 'operator' }).strike().gone().timesOut())).toBe('strike');
  });

  test('the table’s own word for a state, where it has one alone', () => {
    const run = inFlight().row({ status: 'retrying' }, 1).row({ status: 'done', state: 'completed' }, 1);
    expect(judge(run.end()).statuses).toEqual({ pending: 'pending', completed: 'done' });
    expect(judge(handedOver().deletes('psql').end()).statuses).toEqual({
      pending: 'pending',
      processing: 'processing',
      completed: 'completed',
    });
  });

  test('what did not come has no time', () => {
    expect(judge(inFlight().completed().end()).timings).toMatchObject({
      downtimeMs: null,
      recoveryMs: null,
      restartToTerminalMs: null,
    });
  });

  test('a worker that ended by itself stopped then, and another’s end is not its own', () => {
    const history = inFlight().exits(1, 1).wait(500).starts(2).picksUp(2).exits(2, 1).starts(3).end();
    const ends = history.of('worker:exited').map(({ atMs }) => atMs);
    const { workers } = judge(history);
    const zero = Date.parse('2026-01-31T12:00:00.000Z');
    expect(workers.map(({ stoppedAt }) => stoppedAt && Date.parse(stoppedAt) - zero)).toEqual([
      ...ends,
      null,
    ]);
  });

  test('the workers, each with its life', () => {
    const run = inFlight({ polite: true }).strike('SIGTERM');
    run.event({
      kind: 'fault:injected',
      fault: 'SIGKILL after the grace period',
      incarnation: 1,
      signal: 'SIGKILL',
      reach: 'tree',
      pids: [4001],
    });
    const { workers } = judge(run.gone().starts(2).picksUp(2).completed().end());
    expect(workers).toMatchObject([
      { incarnation: 1, pid: 4001, signal: 'SIGKILL' },
      { incarnation: 2, pid: 4002, signal: null, stoppedAt: null },
    ]);
    expect(workers[0]!.startedAt).toBe('2026-01-31T12:00:00.030Z');
    expect(Date.parse(workers[0]!.stoppedAt!)).toBeGreaterThan(Date.parse(workers[0]!.startedAt));
  });
});
