/**
 * The console view of a run as it happens: events in, lines out. It keeps only what the next line needs (which label
 * was printed last, when the restart began), so that a saved journal prints the same text as the run itself did.
 */
import { describeDue } from '../../core/broker-words.ts';
import {
  isTerminal,
  type Event,
  type EventOf,
  type RowValues,
  type Step,
  type TargetSummary,
} from '../../core/event.ts';
import { incarnationOfName } from '../../core/attribution.ts';
import { describeDuration } from '../durations.ts';
import { entry, LABEL_WIDTH, type Mark, type Palette } from './layout.ts';

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
  step: Step;
  labelled: Step | null;
  waiting: string | null;
  restartAtMs: number | null;
  submittedAtMs: number | null;
  struckAtMs: number | null;
  startedAtMs: Map<number, number>;
  last: RowValues | null;
  lastBroker: string | null;
}

export function progressView(options: ProgressOptions): ProgressView {
  const state: State = {
    step: 'preflight',
    labelled: null,
    waiting: null,
    restartAtMs: null,
    submittedAtMs: null,
    struckAtMs: null,
    startedAtMs: new Map(),
    last: null,
    lastBroker: null,
  };
  return { add: (event) => linesOf(event, state, options), waiting: () => state.waiting };
}

function linesOf(event: Event, state: State, options: ProgressOptions): readonly string[] {
  const { palette, width } = options;
  const say = (mark: Mark, text: string): readonly string[] =>
    labelled(state, entry(mark, text, palette, width));
  const hint = (text: string): readonly string[] =>
    labelled(state, entry('none', text, palette, width, palette.faint));

  switch (event.kind) {
    case 'run:started':
      return [
        `${palette.strong('verify-restart')}  ${event.scenario} · ${queueTitle(event.target)} · ${event.target.table}`,
        '',
      ];
    case 'step:started':
      state.step = event.step;
      state.waiting = WAITING[event.step];
      return [];
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
      state.startedAtMs.set(event.incarnation, event.atMs);
      if (event.by === 'auto') {
        state.waiting = `waiting until worker #${event.incarnation} is ready`;
        return [];
      }
      return event.incarnation === 1
        ? []
        : say('good', `worker #${event.incarnation}${pidOf(event.pid)} is there`);
    case 'worker:ready': {
      const startedAtMs = state.startedAtMs.get(event.incarnation);
      if (startedAtMs === undefined || event.by === 'connection') {
        const after = startedAtMs === undefined ? '' : ` after ${describeDuration(event.atMs - startedAtMs)}`;
        return say('good', `worker #${event.incarnation} connected${after}`);
      }
      return say(
        'good',
        `worker #${event.incarnation} ready after ${describeDuration(event.atMs - startedAtMs)}`,
      );
    }
    case 'strike:due': {
      const since =
        state.submittedAtMs === null ? '' : `after ${describeDuration(event.atMs - state.submittedAtMs)}`;
      return say('good', [since, event.reason].filter((text) => text !== '').join(', '));
    }
    case 'fault:injected':
      state.restartAtMs ??= event.atMs;
      state.struckAtMs = event.atMs;
      return event.signal === null
        ? say('good', event.fault)
        : say('good', `${event.signal} to ${describePids(event.pids)}`);
    case 'fault:disarmed':
      return say('doubt', `${event.fault}: disarmed, nothing is done`);
    case 'worker:gone': {
      const after =
        state.struckAtMs === null ? '' : ` after ${describeDuration(event.atMs - state.struckAtMs)}`;
      return say('good', `worker #${event.incarnation} gone${after}`);
    }
    case 'worker:still-there': {
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
      state.restartAtMs ??= event.atMs;
      state.struckAtMs ??= event.atMs;
      return [];
    case 'operator:refuted':
      return say('bad', event.reason);
    case 'row:version':
      return rowLines(event, state, say);
    case 'broker:snapshot':
      return brokerLines(event, state, options, say);
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
      return [`${' '.repeat(LABEL_WIDTH)}kept: ${JSON.stringify(event.thing)} (${event.reason})`];
    case 'observer:checked':
    case 'clock:measured':
    case 'row:stranger':
    case 'rows:counted':
    case 'rows:not-counted':
    case 'broker:hidden':
    case 'presence:snapshot':
    case 'worker:processes':
    case 'operator:answered':
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

function queueTitle({ queue, backend }: TargetSummary): string {
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

type Say = (mark: Mark, text: string) => readonly string[];

/** The changes of the subject from the restart on; what came before is told by the steps. */
function rowLines(event: EventOf<'row:version'>, state: State, say: Say): readonly string[] {
  if (event.role !== 'subject') return [];
  const { values } = event;
  const before = state.last;
  state.last = values;
  if (state.restartAtMs === null || event.source === 'read') return [];
  const sinceMs = event.atMs - state.restartAtMs;
  const time = `+${(sinceMs / 1000).toFixed(1)} s`.padStart(8);
  if (values === null) return say('none', `${time}  the row is gone`);
  if (
    before !== null &&
    before.status === values.status &&
    before.progress === values.progress &&
    before.taskId === values.taskId
  ) {
    return [];
  }
  const progress = values.progress == null ? '' : ` ${values.progress} %`;
  const who = writerOf(event);
  const picked =
    before?.taskId !== values.taskId && values.taskId != null ? `task ${shorten(values.taskId)}` : '';
  const text = [
    `${time}  ${`${values.status ?? 'null'}${progress}`.padEnd(16)}`,
    ...[who, picked].filter((part) => part !== ''),
  ];
  const lines = say('none', text.join(' ').trimEnd());
  const error =
    values.error != null && isTerminal(values.state)
      ? say('none', `          ${values.error.split('\n')[0] ?? ''}`)
      : [];
  return [...lines, ...error];
}

function writerOf(event: EventOf<'row:version'>): string {
  if (event.writer === undefined) return '';
  const incarnation = incarnationOfName(event.writer.applicationName);
  return incarnation === null ? `backend ${event.writer.backendPid}` : `worker #${incarnation}`;
}

function shorten(id: string): string {
  return id.length > 13 ? `${id.slice(0, 8)}…` : id;
}

function brokerLines(
  event: EventOf<'broker:snapshot'>,
  state: State,
  options: ProgressOptions,
  say: Say,
): readonly string[] {
  if (event.role !== 'subject' || state.restartAtMs === null) return [];
  const due = event.due.kind === 'at' ? describeDue(event.due, event.atMs) : event.due.kind;
  if (state.step === 'monitor') {
    state.waiting =
      event.state === 'active' || event.state === 'delayed'
        ? `the broker will hand the job out again ${describeDue(event.due, event.atMs)} unless its holder renews`
        : WAITING.monitor;
  }
  const summary = `${event.state} ${event.owner ?? ''}`;
  if (summary === state.lastBroker || !options.verbose) return [];
  state.lastBroker = summary;
  const time = `+${((event.atMs - state.restartAtMs) / 1000).toFixed(1)} s`.padStart(8);
  return say(
    'none',
    `${time}  broker: ${event.state}${event.owner === null ? '' : `, held by ${shorten(event.owner)}`}, due ${due}`,
  );
}
