import { describe, expect, test } from 'vitest';
import { handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs } from '../../testing/judged.ts';

function causes(run: RunBuilder): readonly string[] {
  return diagnosedAs(run.end());
}

describe('not accounted for', () => {
  test('started_at set anew', () => {
    expect(causes(restarted().picksUp(2, { startedAt: '2026-01-31T12:00:01+00:00' }).completed())).toEqual([
      'started-at-reset',
    ]);
  });

  test('completed_at missing', () => {
    expect(causes(restarted().picksUp(2).row({ status: 'completed' }, 2).acks())).toEqual([
      'completed-at-missing',
    ]);
  });

  test('clocks mixed', () => {
    const run = restarted()
      .picksUp(2)
      .row({ status: 'completed', completedAt: '2026-01-31T09:00:00+00:00' }, 2);
    expect(causes(run.acks())).toEqual(['clock-mixed']);
  });
});

describe('twice', () => {
  const files = [1, 2, 3, 4, 5].map((number) => `/tmp/subject/file-${number}.pdf`);

  test('a second row', () => {
    expect(causes(handedOver().event({ kind: 'row:stranger', job: 'job-1', id: 'b', files }))).toEqual([
      'resumed-as-new-job',
    ]);
  });

  test('children made twice', () => {
    const child = (id: string) =>
      ({ kind: 'row:stranger', job: 'job-1', id, files: files.slice(0, 1) }) as const;
    expect(causes(handedOver().event(child('a')).event(child('b')))).toEqual(['children-enqueued-twice']);
  });

  test('a second message that came with the restart', () => {
    expect(causes(restarted().broker({ messages: 2 }).picksUp(2).completed())).toEqual(['recovered-twice']);
  });

  test('a second message that was there before is not the recovery’s', () => {
    expect(
      causes(inFlight().broker({ messages: 2 }).strike().gone().starts(2).picksUp(2).completed()),
    ).toEqual([]);
  });
});
