import { describe, expect, test } from 'vitest';
import { createHistory as historyOf } from '../history.ts';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { diagnosedAs, findingOf, judgedAs } from '../../testing/judged.ts';

function seen(run: RunBuilder): string {
  return judgedAs(run.end(), 'no-duplicate-jobs');
}

const FILES = [1, 2, 3, 4, 5].map((number) => `/tmp/subject/file-${number}.pdf`);

function stranger(run: RunBuilder, id: string, files: readonly string[]): RunBuilder {
  return run.event({ kind: 'row:stranger', job: 'job-1', id, files });
}

/** A bulk job whose children were there before the strike. */
function withChildren(...parts: readonly (readonly string[])[]): RunBuilder {
  const run = aRun().job().submitted().picksUp(1);
  for (const [index, files] of parts.entries()) stranger(run, `child-${index}`, files);
  return run.progress(20).strike().gone().starts(2).ready(2).picksUp(2).completed();
}

describe('passed', () => {
  test('one row, one message', () => {
    expect(seen(handedOver())).toBe('passed one-row one-message');
  });

  test('children, each with files of its own', () => {
    const run = withChildren(...FILES.map((file) => [file]));
    const history = run.end();
    expect(judgedAs(history, 'no-duplicate-jobs')).toBe('passed one-row one-message');
    expect(findingOf(history, 'one-row')).toMatchObject({ children: 5 });
  });

  test('rows without a file are neither copies nor children', () => {
    expect(seen(stranger(stranger(handedOver(), 'a', []), 'b', []))).toBe('passed one-row one-message');
  });

  test('what carries the files of another job', () => {
    const run = handedOver().event({ kind: 'row:stranger', job: 'job-waiting', id: 'x', files: FILES });
    const { events } = run.end();
    const rows = [{ id: 'y', files: FILES }];
    const counted = { kind: 'rows:counted', job: 'job-waiting', role: 'witness-waiting', rows } as const;
    const others = events
      .filter(({ kind }) => kind !== 'rows:counted')
      .toSpliced(-1, 0, { ...counted, seq: events.length - 2, atMs: 0 });
    expect(judgedAs(historyOf(others), 'no-duplicate-jobs')).toBe('passed rows-not-counted one-message');
  });

  test('… also where those are counted last', () => {
    const rows = [{ id: 'w', files: FILES.slice(1) }];
    const { events } = handedOver().end();
    const counted = { kind: 'rows:counted', job: 'job-waiting', role: 'witness-waiting', rows } as const;
    const end = events.at(-1)!;
    const both = events.toSpliced(-1, 1, { ...counted, seq: end.seq, atMs: 0 }, { ...end, seq: end.seq + 1 });
    const run = withChildren(FILES.slice(0, 1)).end();
    const withChild = run.events.toSpliced(-1, 0, { ...counted, seq: end.seq, atMs: 0 });
    expect(judgedAs(historyOf(both), 'no-duplicate-jobs')).toBe('passed one-row one-message');
    expect(findingOf(historyOf(withChild), 'one-row')).toMatchObject({ children: 1 });
  });

  test('a broker that does not count is said', () => {
    expect(seen(handedOver({ broker: false }))).toBe('passed one-row messages-not-counted');
  });

  describe('there a claim that carries the id of its message tells of another', () => {
    const claimedAgain = (run: RunBuilder, ...since: readonly string[]): RunBuilder => {
      run.strike().gone().starts(2).ready(2);
      for (const taskId of since) run.picksUp(2, { taskId });
      return run.completed();
    };
    const claimed = (first: string, ...since: readonly string[]): RunBuilder => {
      const run = aRun({ broker: false }).job().submitted().picksUp(1, { taskId: first }).progress(20);
      return claimedAgain(run, ...since);
    };
    const { messageId } = claimed('').history().of('job:submitted')[0]!;
    const OTHER = 'x'.repeat(messageId.length);

    test('wherever in the claim it stands', () => {
      expect(seen(claimed(`a/${messageId}`, `b/${messageId}`, `c/${OTHER}`))).toBe(
        'inconclusive parts-or-duplicates',
      );
    });

    test('if every claim before the restart carried it', () => {
      const run = aRun({ broker: false }).job().submitted();
      run
        .picksUp(1, { taskId: `${messageId}/a` })
        .picksUp(1, { taskId: 'a token' })
        .progress(20);
      expect(seen(claimedAgain(run, `${messageId}/b`, `${OTHER}/c`))).toBe(
        'passed one-row messages-not-counted',
      );
    });

    test('where the broker counts, its count is what tells', () => {
      const run = aRun()
        .job()
        .submitted()
        .picksUp(1, { taskId: `${messageId}/a` })
        .progress(20);
      expect(seen(claimedAgain(run, `${messageId}/b`, `${OTHER}/c`))).toBe('passed one-row one-message');
    });

    test('of the job that is judged, not of the ones beside it', () => {
      const run = aRun({ broker: false }).of('witness-ended').job('witness-ended').submitted();
      run
        .of('subject')
        .job()
        .submitted()
        .picksUp(1, { taskId: `${messageId}/a` })
        .progress(20);
      expect(seen(claimedAgain(run, `${messageId}/b`, `${OTHER}/c`))).toBe(
        'inconclusive parts-or-duplicates',
      );
    });

    test('that was never said to have been sent has no id', () => {
      const run = aRun({ broker: false })
        .job()
        .picksUp(1, { taskId: `${messageId}/a` })
        .progress(20);
      expect(seen(claimedAgain(run, `${messageId}/b`, `${OTHER}/c`))).toBe(
        'passed one-row messages-not-counted',
      );
    });

    test('beside its own it may be a copy, or a step', () => {
      expect(seen(claimed(`${messageId}/a`, `${messageId}/b`, `${OTHER}/c`))).toBe(
        'inconclusive parts-or-duplicates',
      );
    });

    test.each([
      ['its own, again and again', `${messageId}/a`, [`${messageId}/b`, `${messageId}/c`]],
      ['others in its place', `${messageId}/a`, [`${OTHER}/b`, `${OTHER.replaceAll('x', 'y')}/c`]],
      ['another in its place', `${messageId}/a`, [`${OTHER}/b`, `${OTHER}/c`]],
      ['a claim that names no message', 'token-1', [`${messageId}/a`, `${OTHER}/b`]],
      [
        'one that ends like a message by chance',
        `x${'t'.repeat(messageId.length - 1)}`,
        [`${messageId}/a`, `x${OTHER}`],
      ],
    ])('%s is one', (_name, first, since) => {
      expect(seen(claimed(first, ...since))).toBe('passed one-row messages-not-counted');
    });
  });

  test('so is a table whose files cannot be searched', () => {
    const events = handedOver()
      .end()
      .events.filter(({ kind }) => kind !== 'rows:counted');
    expect(judgedAs(historyOf(events), 'no-duplicate-jobs')).toBe('passed rows-not-counted one-message');
  });
});

describe('skipped: nothing lists the rows', () => {
  const hidden = (job: string): string => {
    const run = handedOver().event({ kind: 'rows:not-counted', job, reason: 'no access' });
    return judgedAs(run.end(), 'no-duplicate-jobs');
  };

  test('and why is said', () => {
    expect(hidden('job-1')).toBe('skipped rows-not-visible');
  });

  test('not where it is another job whose rows are hidden', () => {
    expect(hidden('job-waiting')).toBe('passed one-row one-message');
  });
});

describe('failed', () => {
  test('a second row with all of the files, in whatever order', () => {
    const history = stranger(handedOver(), 'copy', FILES.toReversed()).end();
    expect(judgedAs(history, 'no-duplicate-jobs')).toBe('failed further-rows');
    expect(findingOf(history, 'further-rows')).toMatchObject({ ids: 'copy' });
  });

  test('… also when it was deleted before the end', () => {
    const run = stranger(handedOver(), 'copy', FILES);
    const events = run
      .end()
      .events.map((event) => (event.kind === 'rows:counted' ? { ...event, rows: [] } : event));
    expect(judgedAs(historyOf(events), 'no-duplicate-jobs')).toBe('failed further-rows');
  });

  test('… also when nobody saw it before the rows were counted', () => {
    const events = handedOver()
      .end()
      .events.map((event) =>
        event.kind === 'rows:counted'
          ? { ...event, rows: [...event.rows, { id: 'copy', files: FILES }] }
          : event,
      );
    expect(judgedAs(historyOf(events), 'no-duplicate-jobs')).toBe('failed further-rows');
  });

  test('two children with the same file', () => {
    const run = stranger(stranger(handedOver(), 'a', [FILES[0]!]), 'b', [FILES[0]!]);
    expect(seen(run)).toBe('failed further-children');
  });

  test('two messages at once, though both were consumed before the end', () => {
    const history = restarted().broker({ messages: 2 }).picksUp(2).completed().end();
    expect(judgedAs(history, 'no-duplicate-jobs')).toBe('failed further-messages');
    expect(findingOf(history, 'further-messages')).toMatchObject({ messages: 2 });
  });

  test('a job with one file may have one child, not two', () => {
    const single = { files: 1 };
    expect(seen(stranger(handedOver(single), 'a', [FILES[0]!]))).toBe('inconclusive child-or-duplicate');
    expect(seen(stranger(stranger(handedOver(single), 'a', [FILES[0]!]), 'b', [FILES[0]!]))).toBe(
      'failed further-rows',
    );
  });
});

describe('inconclusive', () => {
  test('a part of the files in a row that came with the restart: a child, or the rest of the job once more', () => {
    const rest = (run: RunBuilder): RunBuilder => stranger(run, 'rest', FILES.slice(1));
    const history = rest(restarted()).picksUp(2).completed().end();
    expect(judgedAs(history, 'no-duplicate-jobs')).toBe('inconclusive parts-since-restart');
    expect(findingOf(history, 'parts-since-restart')).toMatchObject({ ids: 'rest' });
    expect(diagnosedAs(history)).toEqual(['resumed-as-new-job']);
    // One that had children before goes on to make them, as one does that had not begun.
    const fanningOut = aRun().job().submitted().picksUp(1);
    stranger(fanningOut, 'first', FILES.slice(0, 1)).progress(20).strike().gone().starts(2).ready(2);
    expect(seen(rest(fanningOut.picksUp(2)).completed())).toMatch(/^passed/);
    const fresh = aRun().job().submitted().picksUp(1).strike().gone().starts(2).ready(2);
    expect(seen(rest(fresh.picksUp(2)).completed())).toMatch(/^passed/);
    expect(seen(rest(inFlight()).completed())).toMatch(/^passed/);
  });

  test('its worker had several messages for it before the restart could have made one', () => {
    const before = inFlight().broker({ messages: 2 }).strike().gone().starts(2).picksUp(2).completed();
    expect(seen(before)).toBe('inconclusive parts-or-duplicates');
    const killedBetween = inFlight().strike().gone().broker({ messages: 2 }).starts(2).picksUp(2).completed();
    expect(seen(killedBetween)).toBe('inconclusive parts-or-duplicates');
    expect(seen(inFlight().broker({ messages: 2 }).completed())).toBe('inconclusive parts-or-duplicates');
  });

  test('not where the second one may have been sent on the way out', () => {
    const polite = inFlight({ polite: true }).strike().gone().broker({ messages: 2 });
    expect(seen(polite.starts(2).picksUp(2).completed())).toBe('failed further-messages');
  });

  test('… nor where a new worker was there before the old one was struck', () => {
    const overlap = inFlight({ polite: true }).starts(2).ready(2).broker({ messages: 2 }).strike().gone();
    expect(seen(overlap.picksUp(2).completed())).toBe('failed further-messages');
  });

  test('neither rows nor messages could be counted', () => {
    const events = handedOver({ broker: false })
      .end()
      .events.filter(({ kind }) => kind !== 'rows:counted');
    expect(judgedAs(historyOf(events), 'no-duplicate-jobs')).toBe(
      'inconclusive rows-not-counted messages-not-counted',
    );
  });

  test('the run ended before they were', () => {
    expect(judgedAs(handedOver().history(), 'no-duplicate-jobs')).toBe(
      'inconclusive rows-not-counted one-message',
    );
  });
});
