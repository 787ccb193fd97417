/** The lines of the monitor: what changes in the row from the restart on, and what the broker has to say of it. */
import { incarnationOfName } from '../../core/attribution.ts';
import { describeBroker, describeDue } from '../../core/broker-words.ts';
import { isTerminal, type EventOf, type RowValues, type Writer } from '../../core/event.ts';
import {
  inPercent,
  NOTHING_SEEN,
  ofOneFile,
  progressUnit,
  withProgress,
  type ProgressSeen,
} from '../../core/progress-scale.ts';
import { describeDuration } from '../durations.ts';
import { describeStatus } from '../run-words.ts';
import type { Mark } from './layout.ts';

/** What the next line needs to know of those before. */
export interface MonitorState {
  /** `null`: the restart has not begun. */
  restartAtMs: number | null;
  row: RowValues | null;
  writer: string;
  /** Somebody else than before the restart works on the job. */
  pickedUp: boolean;
  broker: EventOf<'broker:snapshot'> | null;
  /** Statuses whose meaning was told, as far as it is another word. */
  readonly explained: Set<string>;
  /** What tells how the table counts progress. */
  progress: ProgressSeen;
  /** The same of the job that ran to its end before the strike. */
  beside: ProgressSeen;
}

export type Say = (mark: Mark, text: string) => readonly string[];

export function newMonitorState(): MonitorState {
  return {
    restartAtMs: null,
    row: null,
    writer: '',
    pickedUp: false,
    broker: null,
    explained: new Set(),
    progress: { ...NOTHING_SEEN, items: 0 },
    beside: { ...NOTHING_SEEN, items: 1 },
  };
}

/** Where the job stands when the monitoring begins, unless somebody has taken it up already. */
export function firstLines(state: MonitorState, nowMs: number, say: Say): readonly string[] {
  const { row, broker } = state;
  if (state.restartAtMs === null || row === null || state.pickedUp || isTerminal(row.state)) return [];
  return say('none', lineOf(state, nowMs, row, broker === null ? '' : describeWait(broker, nowMs)));
}

/** The changes of the subject from the restart on; what came before is told by the steps. */
export function rowLines(event: EventOf<'row:version'>, state: MonitorState, say: Say): readonly string[] {
  noteProgress(event, state);
  if (event.role !== 'subject' || event.source === 'read') return [];
  const { values } = event;
  const before = state.row;
  const writerBefore = state.writer;
  state.row = values;
  state.writer = describeWriter(event.writer);
  if (state.restartAtMs === null) return [];
  if (values === null) return say('bad', `${timeOf(state, event.atMs)}  the row is gone`);
  const moved = before?.status !== values.status || before?.progress !== values.progress;
  const claimed = values.taskId != null && values.taskId !== before?.taskId;
  if (!moved && !claimed) return [];
  const elsewhere = state.writer !== '' && state.writer !== writerBefore;
  const pickUp = values.state === 'processing' && (claimed || elsewhere);
  if (pickUp) state.pickedUp = true;
  // A backend's number says little to a reader: it is told only where nothing else tells of the pick-up.
  const told = !state.writer.startsWith('backend') || (pickUp && !claimed);
  const by = state.writer === '' || !told ? '' : ` by ${state.writer}`;
  const task = claimed && values.taskId != null ? ` (${shorten(values.taskId)})` : '';
  const note = pickUp
    ? `picked up${by}${task}`
    : elsewhere || before?.status !== values.status
      ? by.trim()
      : '';
  const error = isTerminal(values.state) ? (values.error ?? '').split('\n')[0] : '';
  return [
    ...say('none', lineOf(state, event.atMs, values, note)),
    ...(error === '' || error === undefined ? [] : say('none', `          ${error}`)),
  ];
}

function noteProgress({ role, values }: EventOf<'row:version'>, state: MonitorState): void {
  if (values?.progress == null) return;
  const isCompleted = values.state === 'completed';
  if (role === 'subject') state.progress = withProgress(state.progress, values.progress, isCompleted);
  if (role !== 'witness-ended') return;
  state.beside = withProgress(state.beside, values.progress, isCompleted);
  state.progress = { ...state.progress, ofOneFile: ofOneFile(state.beside) };
}

/** For those who want to see all of it. */
export function brokerLines(
  event: EventOf<'broker:snapshot'>,
  state: MonitorState,
  say: Say,
): readonly string[] {
  const before = state.broker;
  if (event.role !== 'subject') return [];
  state.broker = event;
  if (state.restartAtMs === null || (before?.state === event.state && before.owner === event.owner))
    return [];
  const due = event.due.kind === 'at' ? `, due ${describeDue(event.due, event.atMs)}` : '';
  const owner = event.owner === null ? '' : `, held by ${shorten(event.owner)}`;
  return say('none', `${timeOf(state, event.atMs)}  broker: ${event.state}${owner}${due}`);
}

/** What is being waited for, for a spinner. */
export function waitingFor(state: MonitorState, event: EventOf<'broker:snapshot'>): string {
  const held = event.state === 'active' || event.state === 'delayed';
  return held && !state.pickedUp && event.due.kind !== 'unknown'
    ? `the broker will hand the job out again ${describeDue(event.due, event.atMs)}`
    : 'waiting for the job to end';
}

function lineOf(state: MonitorState, atMs: number, row: RowValues, note: string): string {
  const progress =
    row.progress == null
      ? ''
      : ` ${inPercent(row.progress, progressUnit(state.progress), row.state === 'completed')} %`;
  const told = row.status !== null && state.explained.has(row.status);
  const status = `${told ? row.status : describeStatus(row.status, row.state)}${progress}`;
  if (row.status !== null) state.explained.add(row.status);
  return `${timeOf(state, atMs)}  ${status.padEnd(16)}  ${note}`.trimEnd();
}

function timeOf(state: MonitorState, atMs: number): string {
  return `+${((atMs - (state.restartAtMs ?? atMs)) / 1000).toFixed(1)} s`.padStart(8);
}

function describeWait(broker: EventOf<'broker:snapshot'>, nowMs: number): string {
  const { state, lockUntilMs, due } = broker;
  if (state !== 'active' && state !== 'delayed') return describeBroker(broker);
  if (due.kind === 'at') return `to be handed out ${describeDue(due, nowMs)}`;
  if (state === 'delayed') return 'the broker delays it';
  return lockUntilMs !== null && lockUntilMs > nowMs
    ? `old worker's lock ends in ${describeDuration(lockUntilMs - nowMs)}`
    : 'still held for the old worker';
}

function describeWriter(writer: Writer | undefined): string {
  if (writer === undefined) return '';
  const incarnation = incarnationOfName(writer.applicationName);
  return incarnation === null ? `backend ${writer.backendPid}` : `worker #${incarnation}`;
}

function shorten(id: string): string {
  return id.length > 13 ? `${id.slice(0, 8)}…` : id;
}
