import { describe, expect, test } from 'vitest';
import type { Event, EventBody, EventKind } from '../../core/event.ts';
import { inFlight, restarted, type RunBuilder } from '../../testing/history-builder.ts';
import { PLAIN, type Palette } from './layout.ts';
import { progressView } from './progress.ts';

interface View {
  readonly palette?: Palette;
  readonly width?: number;
  readonly verbose?: boolean;
}

/** The text that these events make. */
function textOf(
  events: readonly Event[],
  { palette = PLAIN, width = 80, verbose = false }: View = {},
): string {
  const view = progressView({ palette, width, verbose });
  return events.flatMap((event) => view.add(event)).join('\n');
}

type Step = Extract<EventBody, { kind: 'step:started' }>['step'];

/** Where a run has them: the step that begins before, or with, an event of this kind. */
const STEP_BEFORE: { readonly [Kind in EventKind]?: Step } = {
  'clock:measured': 'preflight',
  'observer:started': 'job',
  'job:submitted': 'trigger',
  'worker:processes': 'restart',
  'settle:started': 'results',
};

function withSteps(run: RunBuilder): readonly Event[] {
  const begin = (step: Step, atMs: number): Event => ({ kind: 'step:started', step, seq: 0, atMs });
  return run.events.flatMap((event, index) => {
    const before = STEP_BEFORE[event.kind];
    const after =
      event.kind === 'job:submitted'
        ? 'processing'
        : event.kind === 'worker:ready' && event.incarnation > 1
          ? 'monitor'
          : undefined;
    return [
      ...(before === undefined ? [] : [begin(before, run.events[index - 1]?.atMs ?? 0)]),
      event,
      ...(after === undefined ? [] : [begin(after, event.atMs)]),
    ];
  });
}

function struck(): RunBuilder {
  return inFlight()
    .event({ kind: 'strike:due', moment: 'progress', reason: 'by worker #1, first item done: 20 %' })
    .strike()
    .gone()
    .wait(200)
    .starts(2)
    .wait(300)
    .ready(2);
}

test('a second run is told as the first was', () => {
  const run = struck().wait(400).picksUp(2).progress(40).row({ status: 'resumed' }, 2).completed();
  run.end();
  const events = withSteps(run);
  const once = textOf(events);
  expect(textOf([...events, ...events])).toBe(`${once}\n${once}`);
});

test('a status that no mapping knows is said once', () => {
  const run = struck().row({ status: 'resumed' }, 2).row({ status: 'resumed', progress: 40 }, 2);
  expect(textOf(run.events).match(/the status "resumed" is in none of jobs.statuses/g)).toHaveLength(1);
});

describe('a run', () => {
  const run = struck().wait(400).picksUp(2).progress(40).completed();
  run.end();
  const events = withSteps(run);

  test('reads like the seven steps', () => {
    expect(textOf(events)).toBe(
      [
        'verify-restart  crash · BullMQ on Redis · public.jobs',
        '',
        ' 2 Job         ✔ every version of the row will be recorded',
        '               ✔ job-1  5 dummy PDFs, pending',
        ' 3 Trigger     ✔ task message-of-job-1 (extract_bulk)',
        ' 4 Processing  ✔ after 40 ms, by worker #1, first item done: 20 %',
        ' 5 Restart     ✔ SIGKILL to pid 4001',
        '               ✔ worker #1 gone after 10 ms',
        '               ✔ worker #2 (pid 4002) connected after 0.3 s',
        " 6 Monitor         +0.6 s  processing 20 %   old worker's lock ends in 0.4 s",
        '                   +1.0 s  processing 20 %   picked up by worker #2 (task-of-2)',
        '                   +1.0 s  processing 40 %',
        '                   +1.0 s  completed 100 %   by worker #2',
      ].join('\n'),
    );
  });

  test('keeps within 80 columns, and within 60', () => {
    for (const width of [80, 60]) {
      for (const verbose of [false, true]) {
        const widest = Math.max(
          ...textOf(events, { width, verbose })
            .split('\n')
            .map((line) => line.length),
        );
        expect(widest).toBeLessThanOrEqual(width);
      }
    }
  });

  test('is the same text with colours, but for the colours', () => {
    const colour = (code: string) => (text: string) => `\u001b[${code}m${text}\u001b[0m`;
    const palette = {
      good: colour('32'),
      bad: colour('31'),
      doubt: colour('33'),
      faint: colour('2'),
      strong: colour('1'),
    };
    const coloured = textOf(events, { palette, verbose: true });
    expect(coloured).toContain('\u001b[32m✔');
    // eslint-disable-next-line no-control-regex
    expect(coloured.replaceAll(/\u001b\[\d+m/g, '')).toBe(textOf(events, { verbose: true }));
  });

  test('tells what the broker says where all is to be told, and claims no label for it at the end', () => {
    const text = textOf(events, { verbose: true });
    expect(text).toContain('broker: active, held by token-of-2');
    expect(text).toContain('broker: ended');
    expect(text).not.toContain('7 Results');
    expect(textOf(events)).not.toContain('broker:');
  });

  test('says what is being waited for', () => {
    const view = progressView({ palette: PLAIN, width: 80, verbose: false });
    const waiting = events.map((event) => {
      view.add(event);
      return `${event.kind}: ${view.waiting()}`;
    });
    expect(waiting).toContain('worker:started: waiting until worker #2 is ready');
    expect(waiting).toContain('row:version: waiting for the job to end');
    expect(waiting.at(-1)).toBe('run:ended: null');
  });
});

test('a job that waits for the broker: the spinner tells when', () => {
  const view = progressView({ palette: PLAIN, width: 80, verbose: false });
  for (const event of withSteps(struck())) view.add(event);
  const run = struck().broker({ due: { kind: 'at', atMs: 22_000 } });
  view.add(run.events.at(-1)!);
  expect(view.waiting()).toMatch(/^the broker will hand the job out again in about 21\.\d s$/);
});

describe('what a person is told', () => {
  const operator = (): RunBuilder => inFlight({ restartBy: 'operator', named: false });
  const linesOf = (run: RunBuilder, from: EventBody['kind']): readonly string[] => {
    const events = withSteps(run);
    const view = progressView({ palette: PLAIN, width: 80, verbose: false });
    const start = events.findIndex(({ kind }) => kind === from);
    for (const event of events.slice(0, start)) view.add(event);
    return events.slice(start).flatMap((event) => view.add(event));
  };

  test('the worker that holds the job', () => {
    expect(linesOf(operator().strike(), 'worker:processes')).toEqual([
      ' 5 Restart     ✔ held by pid 4001: node worker.js',
    ]);
  });

  test('the clock of the restart begins when the old worker is gone', () => {
    const run = operator().strike().wait(60_000).gone().starts(2).ready(2).wait(1_000).picksUp(2);
    expect(linesOf(run, 'worker:gone')).toEqual([
      '               ✔ worker #1 gone',
      '               ✔ worker #2 (pid 4002) is there',
      ' 6 Monitor         +0.0 s  processing 20 %   still held for the old worker',
      '                   +1.1 s  processing 20 %   picked up (task-of-2)',
    ]);
  });

  test('why the answer was not accepted is told once: by the next panel, or by the last note', () => {
    const reason = 'worker #1 lives on (pid 4001): it was not restarted';
    const run = operator()
      .strike()
      .event({ kind: 'operator:answered', attempt: 1, answer: 'done' })
      .event({ kind: 'worker:still-there', incarnation: 1, pids: [4001], connections: [] })
      .event({ kind: 'operator:refuted', attempt: 1, reason })
      .event({ kind: 'note', code: 'restart-refuted', text: reason });
    expect(linesOf(run, 'operator:answered')).toEqual([`               ⚠ ${reason}`]);
  });
});

describe('single events', () => {
  const say = (body: EventBody, view: View = {}): readonly string[] =>
    textOf([{ ...body, seq: 0, atMs: 0 }], view).split('\n');

  test('a long address breaks within the column', () => {
    const text =
      'PostgreSQL 16.4 at database-1.cluster-abcdefghijkl.eu-central-1.rds.amazonaws.com:5432/extraction';
    expect(say({ kind: 'preflight:checked', check: 'database', status: 'ok', text })).toEqual([
      ' 1 Preflight   ✔ PostgreSQL 16.4 at',
      '                 database-1.cluster-abcdefghijkl.eu-central-1.rds.amazonaws.com:',
      '                 5432/extraction',
    ]);
  });

  test('a failed check comes with its remedy', () => {
    const body = {
      kind: 'preflight:checked',
      check: 'pooler',
      status: 'warning',
      text: 'a pooler',
      remedy: 'go round it',
    } as const;
    expect(say(body)).toEqual([' 1 Preflight   ⚠ a pooler', '                 go round it']);
  });

  test('what was skipped is only told where all is', () => {
    const body = { kind: 'preflight:checked', check: 'x', status: 'skipped', text: 'not asked' } as const;
    expect(say(body)).toEqual(['']);
    expect(say(body, { verbose: true })).toEqual([' 1 Preflight   – not asked']);
  });

  test("the user's own stop command is told, and nothing is said of whether it did what it is for", () => {
    const fault = { fault: 'docker stop worker', incarnation: 1, signal: null, reach: null, pids: [7] };
    expect(say({ kind: 'fault:injected', ...fault })).toEqual([' 1 Preflight     docker stop worker']);
  });

  test('a worker that ends by itself', () => {
    expect(
      say({
        kind: 'worker:exited',
        incarnation: 2,
        exitCode: 1,
        signal: null,
        expected: false,
        lastLine: null,
      }),
    ).toEqual([' 1 Preflight   ⚠ worker #2 ended by itself (exit code 1)']);
  });
});

test('the row is gone', () => {
  const text = textOf(withSteps(restarted().deletes(2)));
  expect(text.split('\n').at(-1)).toMatch(/^ +✖ {3}\+\d\.\d s {2}the row is gone$/);
});
