/** Causes that show in which files were done, and how often: five files, of which one was noted as done at the strike. */
import { describe, expect, test } from 'vitest';
import {
  aRun,
  inFlight,
  restarted,
  type RunBuilder,
  type RunOptions,
} from '../../testing/history-builder.ts';
import { diagnosedAs, valuesOfDiagnosis } from '../../testing/judged.ts';
import type { DiagnosisId } from './index.ts';

const files = [1, 2, 3, 4, 5].map((number) => `/tmp/subject/file-${number}.pdf`);

const END = '2026-01-31T12:00:02+00:00';

function causes(run: RunBuilder, counts: readonly number[]): readonly string[] {
  return diagnosedAs(run.effects(...counts).end());
}

function valuesOf(run: RunBuilder, counts: readonly number[], id: DiagnosisId): unknown {
  return valuesOfDiagnosis(run.effects(...counts).end(), id);
}

/** Worker 2 takes the job over and completes it. */
const resumed = (options: RunOptions = {}): RunBuilder =>
  restarted(options).picksUp(2).progress(60).completed();

describe('the file in hand alone', () => {
  test('is there twice: its effect came before its mark', () => {
    expect(causes(resumed(), [1, 2, 1, 1, 1])).toEqual(['effect-and-mark-apart']);
    expect(valuesOf(resumed(), [1, 2, 1, 1, 1], 'effect-and-mark-apart')).toEqual({
      item: files[1],
      times: 2,
    });
  });

  test('is missing: its mark came before its effect', () => {
    expect(causes(resumed(), [0, 1, 1, 1, 1])).toEqual(['effect-and-mark-apart']);
    expect(valuesOf(resumed(), [0, 1, 1, 1, 1], 'effect-and-mark-apart')).toEqual({
      item: files[0],
      times: 0,
    });
  });

  test('another one that is there twice, or two of them, have another cause', () => {
    expect(causes(resumed(), [2, 1, 1, 1, 1])).toEqual(['effects-not-idempotent']);
    expect(causes(resumed(), [1, 2, 2, 1, 1])).toEqual(['effects-not-idempotent']);
    expect(valuesOf(resumed(), [1, 2, 2, 1, 1], 'effects-not-idempotent')).toEqual({ items: 2 });
  });

  test('one that is missing and another that is there twice are two troubles', () => {
    expect(causes(resumed(), [0, 2, 1, 1, 1])).toEqual(['items-missing', 'effects-not-idempotent']);
  });

  test('where the progress began again, everything was done again', () => {
    const again = restarted().picksUp(2, { progress: 0 }).progress(60).completed();
    expect(causes(again, [1, 2, 1, 1, 1])).toEqual(['effects-not-idempotent', 'progress-reset']);
  });

  test.each([
    [2, 1, 1, 1, 1],
    [1, 2, 1, 1, 1],
  ])('without a progress nobody knows which it was: %i %i %i %i %i', (...counts) => {
    const blind = aRun().job().without('progress').submitted().picksUp(1).row({ error: null }, 1);
    const done = blind.strike().gone().starts(2).ready(2).picksUp(2).wait(200);
    expect(causes(done.row({ status: 'completed', completedAt: END }, 2).acks(), counts)).toEqual([
      'effects-not-idempotent',
    ]);
  });

  test('is the first where nothing was noted as done: no mark can have come before its effect', () => {
    const early = (): RunBuilder =>
      aRun().job().submitted().picksUp(1).strike().gone().starts(2).ready(2).picksUp(2).completed();
    expect(causes(early(), [2, 1, 1, 1, 1])).toEqual(['effect-and-mark-apart']);
    expect(causes(early(), [1, 1, 1, 1, 1])).toEqual([]);
  });

  test('is counted among the job’s own files, not its neighbour’s', () => {
    const run = aRun().job('witness-ended').picksUp(1).completed().job('subject').submitted().picksUp(1);
    run.progress(20).strike().gone().starts(2).ready(2).picksUp(2).progress(60).completed();
    expect(causes(run, [1, 2, 1, 1, 1])).toEqual(['effect-and-mark-apart']);
  });
});

test.each([
  ['items-missing', [0, 1, 1, 1, 1]],
  ['effect-and-mark-apart', [1, 0, 1, 1, 1]],
  ['resumed-past-work', [1, 1, 0, 1, 1]],
  ['error-swallowed', [1, 1, 1, 0, 0]],
] as const)('with two files noted as done: %s', (cause, counts) => {
  const run = inFlight().progress(40).strike().gone().starts(2).ready(2).picksUp(2).progress(60);
  expect(causes(run.completed(), counts)).toEqual([cause]);
});

describe('files that are missing', () => {
  test('one was passed over on the way on', () => {
    expect(causes(resumed(), [1, 0, 1, 1, 1])).toEqual(['resumed-past-work']);
    expect(valuesOf(resumed(), [1, 1, 0, 1, 1], 'resumed-past-work')).toEqual({ item: files[2] });
  });

  test('all from some file on: an error was swallowed', () => {
    expect(causes(resumed(), [1, 1, 0, 0, 0])).toEqual(['error-swallowed']);
    expect(valuesOf(resumed(), [1, 0, 0, 0, 0], 'error-swallowed')).toEqual({ items: 4 });
  });

  test('one that was noted as done and the next: passed over, not a mark that came too early', () => {
    expect(causes(resumed(), [0, 0, 1, 1, 1])).toEqual(['resumed-past-work']);
  });

  test('some of those that had been noted as done: neither', () => {
    const twoDone = (): RunBuilder =>
      inFlight().progress(60).strike().gone().starts(2).ready(2).picksUp(2).progress(80).completed();
    expect(causes(twoDone(), [0, 0, 1, 1, 1])).toEqual(['items-missing']);
    expect(valuesOf(twoDone(), [0, 0, 1, 1, 1], 'items-missing')).toEqual({ items: 2 });
    expect(causes(twoDone(), [1, 0, 0, 0, 0])).toEqual(['items-missing']);
  });

  test('an old worker that completed on its way out what it had not done', () => {
    const run = (): RunBuilder => inFlight({ polite: true }).strike().completed(1).gone().starts(2).ready(2);
    expect(causes(run(), [1, 0, 0, 0, 0])).toContain('acked-on-shutdown');
    expect(valuesOf(run(), [1, 0, 0, 0, 0], 'acked-on-shutdown')).toEqual({ progress: 20 });
    expect(causes(run(), [1, 0, 0, 0, 0])).not.toContain('error-swallowed');
    expect(causes(run(), [1, 0, 1, 1, 1])).not.toContain('resumed-past-work');
    expect(causes(run(), [1, 1, 1, 1, 1])).toEqual([]);
  });

  test('of such a job that was run again all the same, nothing was passed over by the new run', () => {
    const end = { status: 'completed', completedAt: END };
    const run = inFlight({ polite: true }).strike().row(end, 1).gone().starts(2).ready(2).picksUp(2);
    const again = causes(run.row(end, 2).acks(), [1, 0, 1, 1, 1]);
    expect(again).toContain('redelivered-after-drain');
    expect(again).not.toContain('resumed-past-work');
  });

  test('who ended it is not known: then neither is who passed them over', () => {
    const unseen = (): RunBuilder =>
      inFlight({ restartBy: 'operator', source: 'poll' }).strike().gone('connections').starts(2);
    expect(causes(unseen().completed(), [1, 0, 1, 1, 1])).toContain('items-missing');
    expect(causes(unseen().completed(), [1, 0, 0, 0, 0])).toContain('items-missing');
    expect(causes(unseen().timesOut(), [1, 0, 0, 0, 0])).not.toContain('items-missing');
  });

  test('a job that does not say it is completed may have fewer', () => {
    const failed = restarted({ fileMode: 'missing' }).picksUp(2).failed();
    expect(causes(failed, [1, 0, 0, 0, 0])).toEqual([]);
  });
});
