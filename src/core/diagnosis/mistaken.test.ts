/** Causes that were once named where another one was the matter: each with what tells them apart. */
import { expect, test } from 'vitest';
import type { BrokerState } from '../event.ts';
import { aRun, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs } from '../../testing/judged.ts';

function causes(run: RunBuilder): readonly string[] {
  return diagnosedAs(run.end());
}

const SECOND = { pid: 4002, parentPid: 1, groupId: 4002, sessionId: 4002, startToken: '1', command: 'node' };

/** A subject in flight, and a job that waits behind it. */
function withNeighbour(): RunBuilder {
  const waiting = aRun().job('witness-waiting').submitted();
  return waiting.job().submitted().picksUp(1).progress(20);
}

const GONE = { state: 'gone', owner: null, due: { kind: 'never' }, messages: 0 } as const;

/** How the broker has the job that waits behind. */
function behind(run: RunBuilder, state: Partial<BrokerState>): RunBuilder {
  const facts = { lockUntilMs: null, deliveries: 0, stalls: 0, failedReason: null, messages: 1 };
  const told = { state: 'waiting', owner: null, due: { kind: 'now' }, ...facts, ...state } as const;
  return run.event({ kind: 'broker:snapshot', job: 'job-waiting', role: 'witness-waiting', ...told });
}

test('messages that a new worker deletes at its start were not skipped, and no lock keeps it away', () => {
  const run = withNeighbour().strike().gone().starts(2).ready(2);
  expect(causes(behind(run.broker(GONE).timesOut(), GONE))).toEqual(['deleted-at-boot']);
});

test('… and where only what waited is deleted, it is no slot of the dead', () => {
  const struckWith = behind(withNeighbour().strike().gone(), {}).starts(2).ready(2);
  const run = struckWith.picksUp(2).progress(60).completed();
  expect(causes(behind(run, GONE))).toEqual(['deleted-at-boot']);
});

test('… where the one behind was worked on, the job itself was skipped', () => {
  const run = withNeighbour().strike().gone().starts(2).ready(2).broker(GONE);
  const worked = run.of('witness-waiting').picksUp(2).completed().of('subject');
  expect(causes(worked.timesOut())).toEqual(['redelivered-but-skipped']);
  expect(causes(behind(worked, GONE))).toEqual(['redelivered-but-skipped']);
});

test('… where it was handed out, is done with and kept, or is over, nobody deleted it', () => {
  const struck = (): RunBuilder => withNeighbour().strike().gone();
  const there = (): RunBuilder => struck().starts(2).ready(2);
  const delivered = there().delivered(2).broker(GONE).timesOut();
  expect(causes(behind(delivered, GONE))).toEqual(['redelivered-but-skipped']);
  const kept = there().broker({ state: 'ended', owner: null }).timesOut();
  expect(causes(behind(kept, GONE))).toEqual(['redelivered-but-skipped']);
  const done = there().picksUp(2).progress(60).completed().broker(GONE);
  expect(causes(behind(done, GONE))).not.toContain('deleted-at-boot');
  // Nobody came that could have.
  expect(causes(behind(struck().broker(GONE).timesOut(), GONE))).not.toContain('deleted-at-boot');
});

test('… nor on Celery, which keeps nothing of what is acknowledged', () => {
  const waiting = aRun({ queue: 'celery' }).job('witness-waiting').submitted();
  const run = waiting.job().submitted().picksUp(1).progress(20).strike().gone().starts(2).ready(2);
  expect(causes(behind(run.broker(GONE).timesOut(), GONE))).not.toContain('deleted-at-boot');
});

test('a paused queue keeps the job behind, not a slot of the dead', () => {
  const run = withNeighbour().strike().gone().starts(2).ready(2).picksUp(2).progress(60).completed();
  expect(causes(behind(run, { facts: { paused: true } }))).toEqual(['nobody-listens']);
  const well = run.of('witness-waiting').picksUp(2).completed().of('subject');
  expect(causes(behind(well, { facts: { paused: true } }))).toEqual([]);
});

test('a handler that gives up at a shutdown has not closed what it needed', () => {
  const failed = (error: string): readonly string[] => {
    const run = inFlight({ polite: true }).strike().failed(error, 1).gone().starts(2).ready(2);
    const control = run.job('control').submitted().picksUp(2).progress(60).completed();
    return causes(control.of('subject'));
  };
  expect(failed('interrupted by shutdown')).toEqual(['failed-on-shutdown']);
  expect(failed('the pool is shutting down')).toEqual(['closed-before-drained']);
  expect(failed('Connection terminated')).toEqual(['closed-before-drained']);
});

test('a name that has the pid or a token in it is another in every life: that nobody looks is nearer', () => {
  const owned = (owner: string): readonly string[] => {
    const run = aRun({ queue: 'none' }).job('witness-ended').picksUp(1, { owner }).completed();
    const struck = run
      .job()
      .submitted()
      .picksUp(1, { owner })
      .progress(20)
      .strike()
      .gone()
      .starts(2)
      .ready(2);
    struck.event({ kind: 'worker:processes', incarnation: 2, mainPid: 4002, processes: [SECOND] });
    return causes(struck.job('witness-waiting').picksUp(2, { owner: 'b' }).of('subject').timesOut());
  };
  expect(owned('host-a')).toEqual(['claim-tied-to-name', 'never-reclaimed']);
  expect(owned('host:4001')).toEqual(['never-reclaimed', 'claim-tied-to-name']);
  expect(owned('worker-0b1f9c5e-6f0c-4f43')).toEqual(['never-reclaimed', 'claim-tied-to-name']);
  expect(owned('worker-0b1f9c5e6f0c')).toEqual(['never-reclaimed', 'claim-tied-to-name']);
  // A number that is no pid of its own, a date, a word of six letters.
  for (const name of ['host:4002', 'build-20260131-b', 'facade']) {
    expect(owned(name)).toEqual(['claim-tied-to-name', 'never-reclaimed']);
  }
});

test('progress that counts files: all of them twice is no gap between an effect and its mark', () => {
  const effects = (counts: readonly number[]) =>
    counts.map((count, index) => ({ item: `/tmp/subject/file-${index + 1}.pdf`, count }));
  const run = (counts: readonly number[], noted: number): readonly string[] => {
    const done = restarted()
      .row({ progress: noted }, 2)
      .picksUp(2)
      .row({ progress: noted + 1 }, 2)
      .completed(2);
    return causes(
      done.event({
        kind: 'effects:counted',
        job: 'job-1',
        role: 'subject',
        source: 'query',
        effects: effects(counts),
      }),
    );
  };
  expect(run([2, 1, 1, 1, 1], 20)).toContain('effects-not-idempotent');
});
