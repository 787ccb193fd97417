import { describe, expect, test } from 'vitest';
import { judge } from '../../core/report.ts';
import { handedOver, inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { PLAIN } from './layout.ts';
import { renderResults, type ResultsOptions } from './results.ts';

function linesOf(run: RunBuilder, options: Partial<ResultsOptions> = {}): readonly string[] {
  return renderResults(judge(run.end()), { palette: PLAIN, width: 80, ...options }).split('\n');
}

describe('verified', () => {
  test('a line a criterion', () => {
    expect(linesOf(handedOver())).toEqual([
      ' 7 Results     ✔ stayed in the database      6 versions recorded, none missing',
      '               ✔ picked up by a new worker   worker #2, 70 ms after the restart',
      '               ✔ reached a final state       completed, 90 ms after the restart',
      '               ✔ timestamps preserved        started_at kept, completed_at set',
      '               ✔ no duplicate was made       one row, one message',
      '               ✔ restart hit it in flight    SIGKILL at 20 %, gone after 10 ms',
      '               ✔ progress never went down    up to 100 %',
      '               ✔ one writer at a time        2 claims',
      '               ✔ its end was final           watched for 40 ms after its end',
      '               ✔ retries accounted for       retry_count 0',
      '               – retries kept their backoff  nothing was retried',
      '               – each file processed once    no effects query is configured',
      '               ✔ nothing left in the queue   the broker counts it as finished',
      '               ✔ ended as without a restart  completed',
      '               – its neighbours unharmed     no witnesses were used',
      '',
      ' VERIFIED  the job survived the restart of its worker',
      '           0.3 s, of which recovery 70 ms',
      '           not exercised: graceful, graceful-group, deploy (--scenario all)',
      '',
    ]);
  });

  test('all that was seen, where it is asked for', () => {
    const text = linesOf(handedOver(), { verbose: true }).join('\n');
    expect(text).toContain('worker #1 gone after 10 ms (every');
    expect(text).toMatch(/started_at kept:\s+2026-01-31T12:00:/);
  });

  test('the verdict alone, where it is asked for', () => {
    expect(linesOf(handedOver(), { verdictOnly: true })).toEqual([
      ' VERIFIED  the job survived the restart of its worker',
      '',
    ]);
  });

  test('one of several scenarios and runs is named, and those are not called unexercised', () => {
    const lines = linesOf(handedOver(), {
      verdictOnly: true,
      label: 'crash, run 2 of 3',
      alsoExercised: ['crash', 'graceful', 'graceful-group', 'deploy'],
    });
    expect(lines).toEqual([' VERIFIED  crash, run 2 of 3: the job survived the restart of its worker', '']);
    const all = ['crash', 'graceful', 'graceful-group', 'deploy'];
    expect(linesOf(handedOver(), { alsoExercised: all }).join('\n')).not.toContain('not exercised');
  });

  test('a drain is not sold as a hand-over', () => {
    const lines = linesOf(inFlight({ polite: true }).strike().completed().gone().starts(2).ready(2));
    expect(lines).toContain('               – picked up by a new worker   drained: nothing left to pick up');
    expect(lines.slice(-5)).toEqual([
      ' VERIFIED  the old worker finished the job before it left (a drain)',
      '           0.3 s',
      '           not exercised: the redelivery of an unfinished job, crash,',
      '           graceful-group, deploy (--scenario all)',
      '',
    ]);
  });
});

test('not verified: what failed, why, the cause, the remedy, where to look, how to repeat', () => {
  const run = inFlight()
    .broker({ state: 'ended', owner: null })
    .strike()
    .gone()
    .starts(2)
    .ready(2)
    .timesOut();
  expect(linesOf(run)).toEqual([
    ' 7 Results     ✔ stayed in the database      3 versions recorded, none missing',
    '               ✖ picked up by a new worker   no new worker touched it within 2',
    '                                             min; the broker counts it as',
    '                                             finished',
    '               ✖ reached a final state       still processing 20 % 2 min after',
    '                                             the restart',
    '               ✔ timestamps preserved        started_at kept',
    '               ✔ no duplicate was made       one row, one message',
    '               ✔ restart hit it in flight    SIGKILL at 20 %, gone after 10 ms',
    '               ✔ progress never went down    up to 20 %',
    '               ✔ one writer at a time        1 claim',
    '               – its end was final           the job did not end',
    '               ✔ retries accounted for       retry_count 0',
    '               – retries kept their backoff  nothing was retried',
    '               – each file processed once    no effects query is configured',
    '               – nothing left in the queue   the job did not end',
    '               – ended as without a restart  the job did not end',
    '               – its neighbours unharmed     no witnesses were used',
    '',
    ' NOT VERIFIED  the job was lost in the restart of its worker',
    ' because   picked-up-again: no new worker touched it within 2 min; the broker',
    '           counts it as finished',
    '           reached-terminal: still processing 20 % 2 min after the restart; the',
    '           broker counts it as finished',
    '',
    ' cause     the message was acknowledged before the work was done',
    '           before the strike the broker already counted the job as finished, the',
    '           row was at 20 %',
    ' remedy    acknowledge after the last write: await the work in the handler',
    '           (BullMQ), set acks_late (Celery)',
    '           docs/diagnoses.md#acked-before-done',
    '',
    ' journal   .verify-restart/20260131-120000-abcdef/journal.ndjson',
    ' repeat    npx verify-restart --auto-restart',
    '',
  ]);
});

test('inconclusive: the restart alone is told of, the others follow from it', () => {
  expect(linesOf(inFlight().completed(), { verdictOnly: true })).toEqual([
    ' INCONCLUSIVE  the run proves nothing',
    ' because   restart-observed: the job was completed before it could be struck',
    '',
    ' cause     the job ended before it could be interrupted',
    ' remedy    give the job more or slower files (--files 20), or strike earlier',
    '           (--strike-at processing)',
    '           docs/diagnoses.md#ended-before-restart',
    '',
    ' journal   .verify-restart/20260131-120000-abcdef/journal.ndjson',
    ' repeat    npx verify-restart --auto-restart',
    '',
  ]);
});

test('a doubt beside a restart that was seen is told of itself', () => {
  const lines = linesOf(restarted().picksUp(2).failed('no such file'), { verdictOnly: true });
  expect(lines.slice(0, 3)).toEqual([
    ' INCONCLUSIVE  the restart was seen, too little of what followed',
    " because   same-outcome: failed (no such file); whether that is the restart's",
    '           doing is unknown without a control',
  ]);
});

test('the quiet form of a failure tells as much as the loud one, but for the criteria', () => {
  const lost = (): RunBuilder => restarted().timesOut();
  const loud = linesOf(lost());
  const quiet = linesOf(lost(), { verdictOnly: true });
  expect(loud.slice(loud.indexOf('') + 1)).toEqual(quiet);
});

test('no verdict: why, and nothing that looks like one', () => {
  const run = restarted().event({
    kind: 'run:aborted',
    reason: 'environment',
    text: 'the database went away',
  });
  expect(linesOf(run)).toEqual([' NO VERDICT  the database went away', '']);
});

test.each([80, 60, 50])('keeps within %d columns, but for what is to be copied', (width) => {
  const runs = [
    handedOver(),
    restarted().timesOut(),
    inFlight().completed(),
    restarted().picksUp(2).failed('x'.repeat(200)),
  ];
  for (const run of runs) {
    const lines = linesOf(run, { width });
    const tooLong = lines.filter((line) => line.length > width && line.trim().includes(' '));
    expect(tooLong.filter((line) => !/x{50}|journal/.test(line))).toEqual([]);
  }
});
