import { describe, expect, test } from 'vitest';
import type { RowValues } from './event.ts';
import { aRun, inFlight, restarted, type RunBuilder } from '../testing/history-builder.ts';
import { restartFacts } from './restart.ts';
import { kindOfWrite } from './take-over.ts';

const processing: RowValues = {
  status: 'processing',
  state: 'processing',
  taskId: 'task-1',
  progress: 20,
  startedAt: '2026-01-31T12:00:00+00:00',
  owner: null,
  attempts: 1,
  error: null,
  digest: 'a',
};

describe('what a write shows', () => {
  test.each<[string, Partial<RowValues>, string]>([
    ['a new task id', { taskId: 'task-2' }, 'work'],
    ['an owner', { owner: 'worker-2' }, 'work'],
    ['a lease', { leaseUntil: '2026-01-31T12:01:00+00:00' }, 'work'],
    ['a heartbeat', { heartbeatAt: '2026-01-31T12:00:10+00:00' }, 'work'],
    ['a start set anew', { startedAt: '2026-01-31T12:00:10+00:00' }, 'work'],
    ['an attempt', { attempts: 2 }, 'work'],
    ['progress', { progress: 40 }, 'work'],
    ['another status that means processing', { status: 'resuming' }, 'work'],
    ['another status, the claim taken away', { status: 'retry', taskId: null }, 'touch'],
    ['another status and another claim', { status: 'retry', taskId: 'task-2' }, 'work'],
    ['only a column that is not known', {}, 'touch'],
    ['a task id that is emptied', { taskId: null }, 'touch'],
    ['a start that is emptied', { startedAt: null }, 'touch'],
    ['progress that is put back', { progress: 0 }, 'touch'],
    ['an error alone', { error: 'worker lost' }, 'touch'],
    ['put back to pending', { status: 'pending', state: 'pending' }, 'none'],
    ['failed out of nothing', { status: 'failed', state: 'failed', error: 'interrupted' }, 'end'],
    ['failed, the task id emptied', { status: 'failed', state: 'failed', taskId: null }, 'end'],
    ['failed, the progress put back', { status: 'failed', state: 'failed', progress: 0 }, 'end'],
    ['failed after a further item', { status: 'failed', state: 'failed', progress: 60 }, 'work'],
    [
      'completed with the rest of the progress',
      { status: 'completed', state: 'completed', progress: 100 },
      'work',
    ],
    ['completed out of nothing', { status: 'completed', state: 'completed' }, 'end'],
    ['cancelled with a task id', { status: 'cancelled', state: 'cancelled', taskId: 'x' }, 'end'],
  ])('%s: %s is %s', (_name, changes, kind) => {
    expect(kindOfWrite({ ...processing, ...changes, digest: 'b' }, processing)).toBe(kind);
  });

  test('a claim by its owner that is taken away with another status is no pick-up', () => {
    const held = { ...processing, owner: 'worker-1' };
    expect(kindOfWrite({ ...held, status: 'retry', owner: null }, held)).toBe('touch');
    expect(kindOfWrite({ ...held, status: 'retry', owner: 'worker-2' }, held)).toBe('work');
    expect(kindOfWrite({ ...processing, status: 'retry' }, { ...processing, owner: null })).toBe('work');
  });

  test('a row that is gone shows nothing', () => {
    expect(kindOfWrite(null, processing)).toBe('none');
  });
});

describe('the take-over', () => {
  const takeOver = (run: ReturnType<typeof restarted>) => restartFacts(run.history()).takeOver?.version;

  test('is the first write that shows work', () => {
    const run = restarted()
      .row({ status: 'pending' }, 2)
      .row({ error: 'requeued' }, 2)
      .picksUp(2)
      .progress(40);
    expect(takeOver(run)?.values?.taskId).toBe('task-of-2');
    expect(takeOver(run)?.values?.progress).toBe(20);
  });

  test('is nothing that the old worker wrote', () => {
    expect(takeOver(restarted().progress(40, 1))).toBeUndefined();
  });

  test('a touch counts once the same worker has ended the job', () => {
    const touched = restarted().row({}, 2);
    expect(takeOver(touched)).toBeUndefined();
    expect(takeOver(touched.row({ status: 'failed', error: 'no such file' }, 2))?.values?.state).toBe(
      'processing',
    );
  });

  test('a touch by one worker does not make an end by another', () => {
    expect(takeOver(restarted().row({}, 2).row({ status: 'failed' }, 3))).toBeUndefined();
  });

  test('nor does a touch count if the same worker only cancelled it afterwards', () => {
    expect(takeOver(restarted().row({}, 2).cancelled(2))).toBeUndefined();
  });

  test('what a worker beside the struck one had done before the strike is none', () => {
    const beside = inFlight().starts(2).ready(2).picksUp(2).strike().gone();
    expect(takeOver(beside)).toBeUndefined();
    expect(takeOver(beside.progress(40, 2))?.values?.progress).toBe(40);
  });

  describe('while the broker says that nobody was handed it again', () => {
    const undelivered = (run: RunBuilder): RunBuilder => run.wait(30).looks();

    test('an end that claims one item, or a claim of its own, is work all the same', () => {
      const oneLeft = inFlight().progress(80).strike().gone().starts(2).ready(2);
      expect(takeOver(undelivered(oneLeft.completed(2)))?.values?.state).toBe('completed');
      const claimed = restarted().row({ status: 'completed', progress: 100, taskId: 'task-2' }, 2);
      expect(takeOver(undelivered(claimed))?.values?.state).toBe('completed');
      expect(takeOver(undelivered(restarted().completed(2)))).toBeUndefined();
    });

    test('progress by several items that is no end is work', () => {
      expect(takeOver(undelivered(restarted().progress(80, 2)))?.values?.progress).toBe(80);
    });
  });

  test('a job that was never seen in processing has only its end to show', () => {
    const run = aRun().job().submitted().delivered(1).strike().gone().starts(2).delivered(2);
    expect(takeOver(run.row({ status: 'completed' }, 2))?.values?.state).toBe('completed');
    const failed = aRun().job().submitted().delivered(1).strike().gone().starts(2);
    expect(takeOver(failed.row({ status: 'failed', error: 'interrupted' }, 2))).toBeUndefined();
  });

  test('a job at 100 % had nothing left to show', () => {
    const done = restarted().progress(100, 1);
    expect(takeOver(done.row({ status: 'completed' }, 2))?.values?.state).toBe('completed');
    expect(takeOver(restarted().row({ status: 'completed' }, 2))).toBeUndefined();
  });
});
