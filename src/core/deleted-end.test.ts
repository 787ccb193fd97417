/** Queues that delete the rows of jobs that have ended. */
import { expect, test } from 'vitest';
import { aRun, type RunBuilder } from '../testing/history-builder.ts';
import { diagnosedAs, judgedAs, notPassed } from '../testing/judged.ts';
import { judge } from './report.ts';

/** The job that ran to its end before was deleted then, by its worker; the subject is struck. */
function struck(): RunBuilder {
  const before = aRun().job('witness-ended').submitted().picksUp(1).wait(300).progress(100).deletes(1);
  return before.job().submitted().picksUp(1).wait(300).progress(20).strike().gone().starts(2).ready(2);
}

test('a deletion is the end where it was the end before any restart', () => {
  const history = struck().picksUp(2).wait(900).progress(100).deletes(2).acks().end();
  expect(judge(history)).toMatchObject({ verdict: 'passed', job: { finalState: 'completed' } });
  expect(notPassed(history)).toEqual({ 'backoff-honoured': 'skipped', 'effects-exactly-once': 'skipped' });
});

test('a job that was marked completed, or failed, before it was deleted ended as that', () => {
  const ended = struck().picksUp(2).wait(900).completed().deletes(2).end();
  expect(judge(ended)).toMatchObject({ verdict: 'passed', job: { finalStatus: 'completed' } });
  const failed = struck().picksUp(2).wait(900).failed().deletes(2).end();
  expect(judge(failed).job.finalStatus).toBe('failed');
});

test('what nobody has worked on was not ended by that', () => {
  const deleted = struck().deletes(2).timesOut().end();
  expect(judge(deleted).verdict).not.toBe('passed');
  expect(judgedAs(deleted, 'picked-up-again')).not.toMatch(/^passed/);
});

test('with files missing it was deleted by a new worker that had not begun with it', () => {
  const missing = (run: RunBuilder): readonly string[] => diagnosedAs(run.effects(1).end());
  expect(missing(struck().deletes(2).acks())).toContain('deleted-at-boot');
  expect(missing(struck().picksUp(2).deletes(2).acks())).not.toContain('deleted-at-boot');
  expect(missing(struck().row({}, 1).deletes(1).acks())).not.toContain('deleted-at-boot');
  expect(missing(struck().row({ status: 'completed' }, 2).acks())).not.toContain('deleted-at-boot');
  expect(diagnosedAs(struck().deletes(2).acks().end())).not.toContain('deleted-at-boot');
});

test('where they are moved to an archive, one that does not lie there is lost', () => {
  const values = { status: 'completed', state: 'completed', digest: 'archived' } as const;
  const lost = struck().picksUp(2).wait(900).progress(100).deletes(2).acks();
  const moved = lost.event({ kind: 'row:archived', job: 'job-ended', role: 'witness-ended', values });
  expect(judgedAs(moved.end(), 'job-persisted')).toBe('failed row-gone');
  const other = struck().picksUp(2).wait(900).progress(100).deletes(2).acks();
  const behind = other.event({ kind: 'row:archived', job: 'job-waiting', role: 'witness-waiting', values });
  expect(judgedAs(behind.end(), 'job-persisted')).toMatch(/^passed/);
});

test('elsewhere a deletion is a loss', () => {
  const kept = aRun().job('witness-ended').submitted().picksUp(1).completed().job().submitted().picksUp(1);
  const run = kept.progress(20).strike().gone().starts(2).ready(2).picksUp(2).progress(100).deletes(2);
  expect(judgedAs(run.end(), 'job-persisted')).toBe('failed row-gone');
  const again = struck().deletes(2).row({ status: 'pending' }, 2).picksUp(2).progress(100).completed();
  expect(judgedAs(again.end(), 'job-persisted')).toBe('failed row-gone');
});
