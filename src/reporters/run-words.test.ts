/** What the texts of a run call its restart, and what they call a status. */
import { describe, expect, test } from 'vitest';
import { judge } from '../core/report.ts';
import { inFlight, restarted, type RunBuilder } from '../testing/history-builder.ts';
import { PLAIN } from './console/layout.ts';
import { progressView } from './console/progress.ts';
import { renderResults } from './console/results.ts';
import { renderJson } from './json.ts';

function textOf(run: RunBuilder): string {
  const report = judge(run.end());
  return `${renderResults(report, { palette: PLAIN, width: 500 })}${renderJson([report], 4)}`;
}

function monitorOf(run: RunBuilder): string {
  const view = progressView({ palette: PLAIN, width: 80, verbose: false });
  return run.events.flatMap((event) => view.add(event)).join('\n');
}

const STILL_THERE = { kind: 'worker:still-there', incarnation: 1, pids: [4001], connections: [] } as const;

describe('a run', () => {
  test.each<[string, RunBuilder]>([
    ['whose strike never came', inFlight().completed()],
    ['whose strike never came, and the job did not end', inFlight().timesOut()],
    [
      'whose fault was disarmed',
      inFlight().event({ kind: 'fault:disarmed', fault: 'SIGKILL (tree)' }).completed(),
    ],
    ['whose worker lived on and ended the job', inFlight().strike().event(STILL_THERE).completed()],
    ['whose worker lived on and did not end the job', inFlight().strike().event(STILL_THERE).timesOut()],
    [
      'in which a person did nothing',
      inFlight({ restartBy: 'operator' }).strike().event(STILL_THERE).timesOut(),
    ],
    [
      'in which a command restarted nothing',
      inFlight({ restartBy: 'command' }).strike().event(STILL_THERE).completed(),
    ],
    ['of which no new worker was seen', inFlight().strike().gone().timesOut()],
  ])('%s tells of nothing "after the restart"', (_, run) => {
    expect(textOf(run)).not.toMatch(/after the restart(?! was asked for)|before (the|any) restart/);
  });

  test('counts from what there was: a restart, a strike, or the panel', () => {
    expect(textOf(restarted().timesOut())).toContain('still processing 20 % 2 min after the restart');
    expect(textOf(inFlight().strike().event(STILL_THERE).timesOut())).toContain(
      'still processing 20 % 2 min after the strike',
    );
    expect(textOf(inFlight({ restartBy: 'operator' }).strike().event(STILL_THERE).timesOut())).toContain(
      'still processing 20 % 2 min after the restart was asked for',
    );
  });
});

describe("the table's own word for a state", () => {
  const running = (): RunBuilder => inFlight().row({ status: 'running', state: 'processing' }, 1);
  const named = (status: string): RunBuilder =>
    restarted().picksUp(2).row({ status, state: 'completed', progress: 100 }, 2);

  test('is told by the monitor and by the results, with its meaning', () => {
    const run = named('extracted');
    expect(monitorOf(run)).toMatch(/ extracted \(completed\) 100 %/);
    expect(textOf(run)).toMatch(/reached a final state +extracted \(completed\), \d+ ms after the restart/);
  });

  test('is explained by the monitor once', () => {
    const working = (): RunBuilder => restarted().row({ status: 'working', state: 'processing' }, 2);
    const run = working()
      .row({ progress: 40, state: 'processing' }, 2)
      .row({ progress: 60, state: 'processing' }, 2);
    const text = monitorOf(run);
    expect(text.match(/ working \(processing\) /g)).toHaveLength(1);
    expect(text).toMatch(/ working 40 %/);
    expect(text).toMatch(/ working 60 %/);
  });

  test('is told alone where it is the state, in whatever case', () => {
    const run = named('COMPLETED');
    expect(monitorOf(run)).toMatch(/ COMPLETED 100 %/);
    expect(textOf(run)).toMatch(/reached a final state +COMPLETED, \d+ ms/);
  });

  test('is left out where there were several for one state: which it was is not known', () => {
    const run = running().strike().gone().starts(2).ready(2).timesOut();
    expect(textOf(run)).toContain('still processing 20 % 2 min');
  });
});
