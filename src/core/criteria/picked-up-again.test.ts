import { describe, expect, test } from 'vitest';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'picked-up-again');
}

describe('passed', () => {
  test('a later worker’s write that shows work', () => {
    const history = handedOver().end();
    expect(judgedAs(history, 'picked-up-again')).toBe('passed picked-up-by-write');
    expect(findingOf(history, 'picked-up-by-write')).toMatchObject({
      incarnation: 2,
      by: 'application-name',
    });
  });

  test('by polling, on the proof that nothing of the old worker was left', () => {
    const history = handedOver({ source: 'poll' }).end();
    expect(judgedAs(history, 'picked-up-again')).toBe('passed picked-up-by-write');
    expect(findingOf(history, 'picked-up-by-write')).toMatchObject({ incarnation: 2, by: 'absence' });
  });

  test('a new task id, where the writer cannot be told', () => {
    const run = inFlight({ restartBy: 'operator', source: 'poll', broker: false }).strike();
    const goneAtMs = run
      .gone('connections', true)
      .events.findLast(({ kind }) => kind === 'worker:gone')!.atMs;
    const claimed = run.starts(2).row({ taskId: 'task-2' }, 2).events.at(-1)!;
    const history = run.completed().end();
    expect(judgedAs(history, 'picked-up-again')).toBe('passed picked-up-by-task');
    expect(findingOf(history, 'picked-up-by-task')).toMatchObject({
      before: 'task-of-1',
      after: 'task-2',
      afterMs: claimed.atMs - goneAtMs,
    });
  });

  test('a further delivery and a write, where the row shows no claim', () => {
    const run = inFlight({ restartBy: 'operator', source: 'poll' })
      .strike()
      .gone('connections', true)
      .starts(2);
    const history = run.delivered(2).progress(40).completed().end();
    expect(judgedAs(history, 'picked-up-again')).toBe('passed picked-up-by-broker');
    expect(findingOf(history, 'picked-up-by-broker')).toMatchObject({ deliveries: 2 });
  });

  test('a job whose only write after the redelivery is its failure', () => {
    const run = restarted({ fileMode: 'missing' })
      .delivered(2)
      .row({ status: 'failed', error: 'no such file' }, 2);
    expect(seen(run.looks())).toBe('passed picked-up-by-broker');
  });

  test('a worker that claims again without a trace and fails: the claim counts with its end', () => {
    const run = restarted({ broker: false, fileMode: 'missing' }).row({}, 2).failed('no such file', 2);
    expect(seen(run)).toBe('passed picked-up-by-write');
  });

  test('struck while it was pending', () => {
    const run = aRun({ strikeAt: 'pending' })
      .job()
      .submitted()
      .strike()
      .gone()
      .starts(2)
      .picksUp(2)
      .completed();
    expect(seen(run)).toBe('passed picked-up-by-write');
  });

  test('a hand-back through pending', () => {
    const run = inFlight({ polite: true }).strike().row({ status: 'pending' }, 1).gone().starts(2).picksUp(2);
    expect(seen(run.completed())).toBe('passed picked-up-by-write');
  });
});

test('a person’s time to think is not counted', () => {
  const run = inFlight({ restartBy: 'operator', named: false })
    .strike()
    .wait(60_000)
    .gone()
    .wait(500)
    .starts(2);
  const history = run.picksUp(2).completed().end();
  expect(findingOf(history, 'picked-up-by-write')).toMatchObject({ afterMs: 550 });
});

test('skipped where the old worker finished the job and left', () => {
  const run = inFlight({ polite: true }).strike().completed().gone().starts(2).ready(2);
  expect(seen(run)).toBe('skipped drained-so-not-exercised');
});

describe('failed', () => {
  test('nobody came', () => {
    const history = restarted().timesOut().end();
    expect(judgedAs(history, 'picked-up-again')).toBe('failed nobody-picked-up');
    expect(findingOf(history, 'nobody-picked-up')).toMatchObject({
      broker: 'the broker counts it as held by token-of-1',
    });
  });

  test('handed out again, and nothing was done', () => {
    const run = restarted().delivered(2).broker({ state: 'ended', owner: null }).timesOut();
    expect(seen(run)).toBe('failed handed-out-without-work');
  });

  test('struck while it was pending: that the old worker was handed it in between is no redelivery', () => {
    const run = aRun({ strikeAt: 'pending' })
      .job()
      .submitted()
      .strike()
      .delivered(1)
      .gone()
      .starts(2)
      .ready(2);
    expect(seen(run.timesOut())).toBe('failed nobody-picked-up');
  });

  test('a recovery that only puts it back to pending', () => {
    expect(seen(restarted().row({ status: 'pending' }, 2).timesOut())).toBe('failed nobody-picked-up');
    const sentAnew = restarted().row({ status: 'pending', taskId: 'message-2' }, 2);
    expect(seen(sentAnew.timesOut())).toBe('failed nobody-picked-up');
  });

  test('a status that is not configured was left before the old worker had gone', () => {
    const run = aRun().job().submitted().row({ status: 'reserved' }, 1).picksUp(1).strike().gone();
    expect(seen(run.starts(2).ready(2).timesOut())).toBe('failed nobody-picked-up');
  });

  test('a new worker that fails it when it starts, while the broker still has it for the dead', () => {
    const run = restarted().row({ status: 'failed', error: 'interrupted', taskId: null }, 2).wait(30).looks();
    const history = run.delivered(2).broker({ state: 'ended' }).end();
    expect(judgedAs(history, 'picked-up-again')).toBe('failed ended-unworked');
    expect(findingOf(history, 'ended-unworked')).toMatchObject({ state: 'failed', incarnation: 2 });
  });

  test('the same where it is marked completed', () => {
    expect(seen(restarted().row({ status: 'completed' }, 2).looks())).toBe('failed ended-unworked');
  });

  test('the same where it claims the files that were left', () => {
    const run = restarted().row({ status: 'completed', progress: 100 }, 2).wait(30).looks();
    expect(seen(run.delivered(2).broker({ state: 'ended' }))).toBe('failed ended-unworked');
  });

  test('a new worker that died at once, whatever the broker still means to do', () => {
    const run = inFlight().strike().gone().starts(2).exits(2, 1);
    expect(seen(run.broker({ due: { kind: 'at', atMs: 99_000 } }))).toBe('failed nobody-picked-up');
  });
});

describe('whose writes count', () => {
  const byHidden = { named: false, pooled: true, restartBy: 'operator' } as const;

  test('not those of the worker that was struck, or of somebody who is no worker of the run', () => {
    const dead = inFlight().strike().gone().starts(2).ready(2).row({ taskId: 'another' }, 1);
    expect(seen(dead.timesOut())).not.toMatch(/^passed/);
    const stranger = restarted().row({ taskId: 'another' }, 'somebody').delivered(2);
    expect(seen(stranger.timesOut())).not.toMatch(/^passed/);
  });

  test('a task id that replaces another, not the first one there ever was', () => {
    const run = (taskId: string | null): RunBuilder =>
      inFlight({ ...byHidden, source: 'poll' })
        .row({ taskId }, 1)
        .strike()
        .gone('processes', false)
        .starts(2)
        .row({ taskId: 'the next' }, 2);
    const history = run('the first').timesOut().end();
    expect(judgedAs(history, 'picked-up-again')).toBe('passed picked-up-by-task');
    expect(findingOf(history, 'picked-up-by-task')).toMatchObject({ before: 'the first', after: 'the next' });
    expect(seen(run(null).timesOut())).not.toContain('picked-up-by-task');
  });

  test('the time is that from the strike', () => {
    const history = inFlight({ restartBy: 'command', source: 'poll' })
      .strike()
      .gone('processes', false)
      .starts(2)
      .delivered(2)
      .progress(40)
      .end();
    const [fault] = history.of('fault:injected');
    const write = history.of('row:version').findLast(({ source }) => source !== 'read');
    expect(findingOf(history, 'picked-up-by-broker')).toMatchObject({ afterMs: write!.atMs - fault!.atMs });
  });
});
