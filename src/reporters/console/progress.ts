/**
 * The console view of a run as it happens: events in, lines out. It keeps only what the next line needs (which label
 * was printed last, when the restart began), so that a saved journal prints the same text as the run itself did.
 */
import type { Event, EventOf, RestartMode, Step, TargetSummary } from '../../core/event.ts';
import { unmappedStatus } from '../../core/history.ts';
import { describeDuration } from '../durations.ts';
import { describeThing } from '../thing-words.ts';
import { entry, LABEL_WIDTH, wrapHard, type Mark, type Palette } from './layout.ts';
import {
  brokerLines,
  firstLines,
  newMonitorState,
  rowLines,
  waitingFor,
  type MonitorState,
  type Say,
} from './monitor-lines.ts';

const STEP_LABELS: Readonly<Record<Step, string>> = {
  preflight: '1 Preflight',
  job: '2 Job',
  trigger: '3 Trigger',
  processing: '4 Processing',
  restart: '5 Restart',
  monitor: '6 Monitor',
  results: '7 Results',
};

export interface ProgressView {
  /** The lines that this event adds. */
  readonly add: (event: Event) => readonly string[];
  /** What is being waited for now, for a spinner; `null`: nothing. */
  readonly waiting: () => string | null;
}

export interface ProgressOptions {
  readonly palette: Palette;
  readonly width: number;
  readonly verbose: boolean;
}

interface State {
  restartBy: RestartMode;
  step: Step;
  labelled: Step | null;
  waiting: string | null;
  submittedAtMs: number | null;
  /** When the worker was struck; `null` where a person is asked to do it: then nobody knows. */
  struckAtMs: number | null;
  readonly started: Map<number, { readonly atMs: number; readonly pid: number | null }>;
  readonly monitor: MonitorState;
  /** Statuses whose meaning is not configured, as far as that was said. */
  readonly unmapped: Set<string>;
}

/** The events of one run after the other: each begins anew. */
export function progressView(options: ProgressOptions): ProgressView {
  let state = newState();
  return {
    add(event) {
      if (event.kind === 'run:started') state = newState();
      return linesOf(event, state, options);
    },
    waiting: () => state.waiting,
  };
}

function newState(): State {
  return {
    restartBy: 'auto',
    step: 'preflight',
    labelled: null,
    waiting: null,
    submittedAtMs: null,
    struckAtMs: null,
    started: new Map(),
    monitor: newMonitorState(),
    unmapped: new Set(),
  };
}

function linesOf(event: Event, state: State, options: ProgressOptions): readonly string[] {
  const { palette, width } = options;
  const say: Say = (mark: Mark, text: string) => labelled(state, entry(mark, text, palette, width));
  const hint = (text: string): readonly string[] =>
    labelled(state, entry('none', text, palette, width, palette.faint));
  const after = (atMs: number | null | undefined): string =>
    atMs == null ? '' : ` after ${describeDuration(event.atMs - atMs)}`;

  switch (event.kind) {
    case 'run:started':
      state.restartBy = event.restartBy;
      return [...titleLines(event.scenario, event.target, options), ''];
    case 'step:started':
      // The results are another text's; what is still seen while they are made belongs to the monitor.
      if (event.step !== 'results') state.step = event.step;
      state.waiting = WAITING[event.step];
      return event.step === 'monitor' ? firstLines(state.monitor, event.atMs, say) : [];
    case 'step:ended':
      state.waiting = null;
      return [];
    case 'preflight:checked': {
      const marks = { ok: 'good', warning: 'doubt', skipped: 'skip', failed: 'bad' } as const;
      if (event.status === 'skipped' && !options.verbose) return [];
      const lines = say(marks[event.status], event.text);
      return event.remedy === undefined ? lines : [...lines, ...hint(event.remedy)];
    }
    case 'observer:started':
      return event.source === 'trigger'
        ? say('good', 'every version of the row will be recorded')
        : say('doubt', `the row is polled, so short-lived states can be missed: ${event.reason ?? ''}`);
    case 'job:created': {
      if (event.role === 'witness-ended') state.waiting = 'running a witness to its end before the strike';
      if (event.role !== 'subject') return [];
      state.monitor.progress = { ...state.monitor.progress, items: event.files.length };
      const files = `${event.files.length} dummy ${event.files.length === 1 ? 'PDF' : 'PDFs'}`;
      const line = say('good', `${event.job}  ${files}, ${event.status}`);
      return event.followedLate === true
        ? [...line, ...hint('followed from the answer of the API on, not from its making')]
        : line;
    }
    case 'job:submitted':
      if (event.role !== 'subject') return [];
      state.submittedAtMs = event.atMs;
      return event.certainty === 'certain'
        ? say('good', `task ${event.messageId} (${event.task})`)
        : say(
            'doubt',
            `task ${event.messageId}: whether it arrived is uncertain (${event.problem ?? 'no answer'})`,
          );
    case 'worker:started':
      if (event.by === 'auto') {
        state.started.set(event.incarnation, event);
        state.waiting = `waiting until worker #${event.incarnation} is ready`;
        return [];
      }
      return event.incarnation === 1
        ? []
        : say('good', `worker #${event.incarnation}${pidOf(event.pid)} is there`);
    case 'worker:ready': {
      const started = state.started.get(event.incarnation);
      // A worker that somebody else started has been told of already.
      if (started === undefined || event.by === 'job') return [];
      const how = event.by === 'connection' ? 'connected' : 'ready';
      return say('good', `worker #${event.incarnation}${pidOf(started.pid)} ${how}${after(started.atMs)}`);
    }
    case 'strike:due':
      return say(
        'good',
        [after(state.submittedAtMs).trim(), event.reason].filter((text) => text !== '').join(', '),
      );
    case 'fault:injected':
      state.monitor.restartAtMs ??= event.atMs;
      state.struckAtMs = event.atMs;
      return event.signal === null
        ? say('none', event.fault)
        : say('good', `${event.signal} to ${describePids(event.pids)}`);
    case 'fault:disarmed':
      return say('doubt', `${event.fault}: disarmed, nothing is done`);
    case 'worker:gone':
      // Where a person did it, the clock of the restart begins here: how long they thought is none of the worker's time.
      if (state.struckAtMs === null) state.monitor.restartAtMs = event.atMs;
      return say('good', `worker #${event.incarnation} gone${after(state.struckAtMs)}`);
    case 'worker:still-there': {
      // A person is told of it in answer to theirs.
      if (state.restartBy === 'operator') return [];
      const what = event.pids.length > 0 ? `pid ${event.pids.join(', ')}` : event.connections.join(', ');
      return say('bad', `worker #${event.incarnation} is still there (${what})`);
    }
    case 'worker:exited':
      if (event.expected) return [];
      return say(
        'doubt',
        `worker #${event.incarnation} ended by itself (${event.signal ?? `exit code ${event.exitCode}`})`,
      );
    case 'holder:identified':
      return event.main === null
        ? say('doubt', 'the process of the worker that holds the job could not be found out')
        : say('good', `held by pid ${event.main.pid}: ${event.main.command}`);
    case 'hold:placed':
      return say('good', 'the job is held: its row is locked until the worker is gone');
    case 'hold:refused':
      return say('doubt', `the job cannot be held, it may end before you act: ${event.reason}`);
    case 'hold:broken':
      return say('doubt', `the hold on the row was broken: ${event.reason}`);
    case 'hold:released':
      return hint(`the row was released after ${describeDuration(event.heldMs)}`);
    case 'operator:asked':
      state.monitor.restartAtMs ??= event.atMs;
      return [];
    case 'row:version':
      return [...unmappedLines(event, state, say), ...rowLines(event, state.monitor, say)];
    case 'broker:snapshot': {
      if (event.role === 'subject' && state.step === 'monitor')
        state.waiting = waitingFor(state.monitor, event);
      return brokerLines(event, state.monitor, options.verbose ? say : () => []);
    }
    case 'timeout:raised':
      return hint(
        `the time-out was raised from ${describeDuration(event.fromMs)} to ${describeDuration(event.toMs)}: ${event.reason}`,
      );
    case 'timeout:reached':
      return say('bad', `time-out after ${describeDuration(event.afterMs)}`);
    case 'settle:started':
      state.waiting = 'waiting for anything that may still come';
      return [];
    case 'settle:ended':
      state.waiting = null;
      return options.verbose
        ? hint(`settled after ${describeDuration(event.durationMs)} (${event.reason})`)
        : [];
    case 'note':
      return say('doubt', event.text);
    case 'kept':
      return wrapHard(`kept: ${describeThing(event.thing)} (${event.reason})`, width - LABEL_WIDTH).map(
        (line) => `${' '.repeat(LABEL_WIDTH)}${line}`,
      );
    case 'observer:checked':
    case 'clock:measured':
    case 'row:archived':
    case 'row:stranger':
    case 'rows:counted':
    case 'rows:not-counted':
    case 'broker:hidden':
    case 'broker:leftovers':
    case 'presence:snapshot':
    case 'worker:processes':
    case 'operator:answered':
    // The next panel says it, or the note after the last one.
    case 'operator:refuted':
    case 'effects:counted':
    case 'made':
    case 'removed':
    case 'run:aborted':
    case 'run:ended':
      return [];
  }
}

const WAITING: Readonly<Record<Step, string>> = {
  preflight: 'checking database, table, queue and worker',
  job: 'creating the job',
  trigger: 'triggering it',
  processing: 'waiting for the worker to pick the job up',
  restart: 'restarting the worker',
  monitor: 'waiting for the job to end',
  results: 'judging',
};

function labelled(state: State, lines: readonly string[]): readonly string[] {
  const label = state.labelled === state.step ? '' : ` ${STEP_LABELS[state.step]}`;
  state.labelled = state.step;
  const [head = '', ...rest] = lines;
  return [`${label.padEnd(LABEL_WIDTH)}${head}`, ...rest];
}

function unmappedLines({ values }: EventOf<'row:version'>, state: State, say: Say): readonly string[] {
  const status = unmappedStatus(values);
  if (status === undefined || state.unmapped.has(status)) return [];
  state.unmapped.add(status);
  return say('doubt', `the status ${JSON.stringify(status)} is in none of jobs.statuses`);
}

/** What is verified, as the first line of a run and of its report. */
export function titleLines(
  scenario: string,
  target: TargetSummary,
  { palette, width }: Pick<ProgressOptions, 'palette' | 'width'>,
): readonly string[] {
  const indent = ' '.repeat('verify-restart  '.length);
  const [head = '', ...rest] = wrapHard(
    `${scenario} · ${queueTitle(target)} · ${target.table}`,
    width - indent.length,
  );
  return [`${palette.strong('verify-restart')}  ${head}`, ...rest.map((line) => `${indent}${line}`)];
}

function queueTitle({ queue, backend }: TargetSummary): string {
  if (queue === 'none') return 'a job table as its own queue';
  if (queue === 'http') return 'a service by its HTTP API';
  if (queue === 'celery') return backend === 'rabbitmq' ? 'Celery on RabbitMQ' : 'Celery on Redis';
  if (queue !== 'bullmq') return queue;
  return backend === 'postgres' ? 'BullMQ on PostgreSQL' : 'BullMQ on Redis';
}

function pidOf(pid: number | null): string {
  return pid === null ? '' : ` (pid ${pid})`;
}

function describePids(pids: readonly number[]): string {
  const [main, ...children] = pids;
  if (main === undefined) return 'nobody';
  if (children.length === 0) return `pid ${main}`;
  return `pid ${main} and ${children.length} ${children.length === 1 ? 'other' : 'others'} of its tree`;
}
