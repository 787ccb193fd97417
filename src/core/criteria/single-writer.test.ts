import { describe, expect, test } from 'vitest';
import { handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'single-writer');
}

describe('passed', () => {
  test('one claim after the other', () => {
    const history = handedOver().end();
    expect(judgedAs(history, 'single-writer')).toBe('passed writers-in-order');
    expect(findingOf(history, 'writers-in-order')).toMatchObject({ claims: 2 });
  });

  test('a frozen worker that claims the job anew, with a new token', () => {
    const run = restarted().picksUp(2).row({ status: 'pending', taskId: null }, 2);
    expect(seen(run.row({ status: 'processing', taskId: 'another' }, 1).completed(1))).toBe(
      'passed writers-in-order',
    );
  });

  test('workers that claim by their name, one after the other and back: the job was free in between', () => {
    const run = inFlight()
      .row({ owner: 'host-a' }, 1)
      .strike()
      .gone()
      .starts(2)
      .picksUp(2, { owner: 'host-b' });
    run.row({ status: 'pending', owner: null }, 2).picksUp(2, { owner: 'host-a' });
    expect(seen(run.completed())).toBe('passed writers-in-order');
  });

  test('where there is an owner, a task id that stays behind is no claim', () => {
    const run = inFlight().row({ owner: 'a' }, 1).strike().gone().starts(2);
    run.row({ owner: null }, 2).picksUp(2, { owner: 'b', taskId: 'task-of-1' }).row({ owner: null }, 2);
    expect(seen(run.completed())).toBe('passed writers-in-order');
  });

  test('a row that somebody deletes when all is over is no write of a worker', () => {
    expect(seen(handedOver().deletes('retention'))).toBe('passed writers-in-order');
  });

  test('a write of the dead that the hold had kept back', () => {
    const run = inFlight({ restartBy: 'operator', named: false }).strike().gone().starts(2).picksUp(2);
    run.progress(40, 1);
    const leftBackends = [run.history().of('row:version').at(-1)!.writer!.backendPid];
    run.event({ kind: 'hold:released', job: 'job-1', heldMs: 5, terminatedBackends: [], leftBackends });
    expect(seen(run.completed(2))).toBe('passed writers-in-order');
  });
});

describe('failed', () => {
  test('the old worker writes after the new one', () => {
    const history = restarted().picksUp(2).progress(40, 1).completed(2).end();
    expect(judgedAs(history, 'single-writer')).toBe('failed older-wrote-after-newer');
    expect(findingOf(history, 'older-wrote-after-newer')).toMatchObject({ older: 1, newer: 2 });
  });

  test('the old worker hands the job back, with its claim emptied, when the new one has it', () => {
    const run = restarted().picksUp(2).row({ status: 'pending', taskId: null }, 1);
    expect(seen(run.picksUp(2).completed())).toBe('failed older-wrote-after-newer');
  });

  test.each([
    ['its processes were not seen to end', 'connections', true],
    ['the server may be busy with its statement', 'processes', false],
  ] as const)('… known by the age of its connection, while %s', (_name, proof, connectionsGone) => {
    const run = inFlight({ named: false }).strike().gone(proof, connectionsGone).wait(50).starts(2).ready(2);
    expect(seen(run.picksUp(2).progress(40, 1).completed(2))).toBe('failed older-wrote-after-newer');
  });

  test('a claim comes back while another holds the job, within one process too', () => {
    const run = restarted().picksUp(2, { taskId: 'b' }).row({ taskId: 'task-of-1', progress: 30 }, 2);
    expect(seen(run.row({ taskId: 'b' }, 2).completed())).toBe('failed older-claim-returned');
  });
});

describe('who wrote cannot be told', () => {
  const stranger = (run: RunBuilder): RunBuilder => run.row({ progress: 60 }, 'somebody');

  test('after a crash whose processes were seen to end it is skipped', () => {
    expect(seen(stranger(restarted().picksUp(2)).completed())).toBe('skipped unattributed-writes');
  });

  test('else inconclusive', () => {
    const run = stranger(inFlight({ polite: true }).strike().gone().starts(2).picksUp(2));
    expect(seen(run.completed())).toBe('inconclusive unattributed-writes');
  });
});

describe('of three workers', () => {
  test('the second may not write after the third', () => {
    const run = restarted().picksUp(2).progress(40).starts(3).ready(3).picksUp(3);
    expect(seen(run.progress(60, 2))).toBe('failed older-wrote-after-newer');
  });
});

describe('what is told', () => {
  test('how many claims there were, and how many writes nobody can be named for', () => {
    expect(findingOf(handedOver().end(), 'writers-in-order')).toMatchObject({ claims: 2 });
    const run = restarted().picksUp('somebody').progress(40, 'somebody');
    expect(findingOf(run.end(), 'unattributed-writes', 'single-writer')).toMatchObject({ writes: 2 });
  });

  test('a worker that was seen to go by its connections alone may still write', () => {
    const run = inFlight().strike().gone('connections').starts(2).ready(2).picksUp('somebody');
    expect(seen(run.completed('somebody'))).toBe('inconclusive unattributed-writes');
  });
});

describe('a job that was free in between', () => {
  const owned = (run: RunBuilder, owner: string | null, status = 'processing'): RunBuilder =>
    run.row({ owner, status }, 'somebody');

  test('by its status, though the owner’s name stayed', () => {
    const run = owned(owned(inFlight(), 'a'), 'b');
    expect(seen(owned(owned(run, 'b', 'pending'), 'a'))).not.toMatch(/^failed/);
  });

  test('by an owner that was emptied, though the status stayed', () => {
    const taken = (): RunBuilder => owned(owned(inFlight(), 'a'), 'b');
    expect(seen(owned(owned(taken(), null), 'a'))).not.toMatch(/^failed/);
    expect(seen(owned(taken(), 'a'))).toBe('failed older-claim-returned');
  });
});
