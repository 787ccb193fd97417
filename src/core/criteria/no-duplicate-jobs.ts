/**
 * Exactly one row and at most one unfinished message for the submitted job, children counted.
 *
 * Why: a recovery that makes a second row or message runs the job twice, sooner or later.
 * What would fool it: counting at the end only (the second message has been consumed by then), or counting by id
 * only (the copy has an id of its own). So every look at the broker counts, and rows are found by the files they carry.
 * A bulk job may rightly have children, rows that carry some of its files: what must not be is a second row with all
 * of them, or two children with the same ones. With one file alone a child and a copy look the same, and so do a copy
 * and the next step of a job whose worker has several messages for it without any restart: inconclusive. So are children
 * that come with the restart alone.
 * Where no access to the table was given, and nothing lists the jobs, it is skipped: the report says why.
 * What it cannot see: a second message in a broker that cannot be searched, or a second row in a table without a
 * files column; then only the other is judged, and that is said.
 */
import { finding } from '../findings.ts';
import { isBefore, NEVER, type History, type RowVersion } from '../history.ts';
import type { RestartFacts } from '../restart.ts';
import { judgement, type Criterion } from './criterion.ts';

export const noDuplicateJobs: Criterion = {
  id: 'no-duplicate-jobs',
  title: 'no duplicate was made',
  judge(history, facts) {
    const { copies, repeatedChildren, single } = furtherRows(history, facts.job);
    if (repeatedChildren.length > 0) {
      return judgement('failed', finding('further-children', { ids: repeatedChildren.join(', ') }));
    }
    if (copies.length > (single ? 1 : 0)) {
      return judgement('failed', finding('further-rows', { ids: copies.join(', ') }));
    }
    const counts = facts.snapshots.flatMap(({ messages }) => (messages === null ? [] : [messages]));
    const most = counts.reduce((highest, count) => Math.max(highest, count), 0);
    if (most > 1) {
      return isSplitByItsWorker(history, facts)
        ? judgement('inconclusive', finding('parts-or-duplicates', { messages: most }))
        : judgement('failed', finding('further-messages', { messages: most }));
    }
    const named = counts.length === 0 ? messagesOfClaims(history, facts) : 0;
    if (named > 1) return judgement('inconclusive', finding('parts-or-duplicates', { messages: named }));
    if (copies.length > 0) {
      return judgement('inconclusive', finding('child-or-duplicate', { ids: copies.join(', ') }));
    }
    const parts = partsSinceRestart(history, facts);
    if (parts.length > 0) {
      return judgement('inconclusive', finding('parts-since-restart', { ids: parts.join(', ') }));
    }
    const unseen = history.of('rows:not-counted').find((event) => event.job === facts.job);
    if (unseen !== undefined) {
      return judgement('skipped', finding('rows-not-visible', { reason: unseen.reason }));
    }
    const counted = history.of('rows:counted').findLast((event) => event.job === facts.job);
    const rows =
      counted === undefined
        ? finding('rows-not-counted')
        : finding('one-row', { children: Math.max(0, counted.rows.length - 1) });
    const messages = counts.length === 0 ? finding('messages-not-counted') : finding('one-message', { most });
    const seenWhole = counted !== undefined || (counts.length > 0 && facts.observedToEnd);
    return judgement(seenWhole ? 'passed' : 'inconclusive', rows, messages);
  },
};

/**
 * There were several messages before anything of the restart could have made one: a job that is worked off in steps, each
 * a message that is sent before the last one is acknowledged, or a worker that sends its job twice at any time.
 */
function isSplitByItsWorker(history: History, { begun, faults, struck, snapshots }: RestartFacts): boolean {
  if (begun === undefined) return true;
  // What was killed at once has sent nothing on its way out; what was started may have from its start on.
  const killed = faults[0]?.signal === 'SIGKILL';
  const started = history.of('worker:started').find(({ incarnation }) => incarnation > struck) ?? NEVER;
  return snapshots.some(
    (look) => (killed || isBefore(look, begun)) && isBefore(look, started) && (look.messages ?? 0) > 1,
  );
}

/**
 * How many messages the claims since the restart name, where the broker cannot be searched and a claim carries the id of
 * the message that it was made for, as Celery's task id does. Before it there was but the one that was submitted; two
 * since then may be the message and its copy, or the next step of a job that is worked off in steps.
 */
function messagesOfClaims(history: History, { job, changes, gone }: RestartFacts): number {
  const id = history.of('job:submitted').find((event) => event.job === job)?.messageId;
  const before = changes.flatMap((version) => (isBefore(version, gone ?? NEVER) ? idsIn(version) : []));
  const place = id === undefined ? -1 : (before[0]?.indexOf(id) ?? -1);
  if (id === undefined || place < 0 || before.some((claim) => !claim.includes(id))) return 0;
  const since = changes.flatMap((version) => (isBefore(gone ?? NEVER, version) ? idsIn(version) : []));
  const messages = new Set(since.map((claim) => claim.slice(place, place + id.length)));
  return messages.has(id) ? messages.size : Math.min(messages.size, 1);
}

function idsIn({ values }: RowVersion): readonly string[] {
  return values?.taskId == null ? [] : [values.taskId];
}

/**
 * Rows with some of the files that came after the restart, though before it the job had been worked on without any: its
 * children, or the rest of it made into a job of its own, beside the one that goes on.
 */
function partsSinceRestart(history: History, { job, begun, before }: RestartFacts): readonly string[] {
  if (begun === undefined || (before?.progress ?? 0) <= 0) return [];
  const others = history.of('row:stranger').filter((event) => event.job === job && event.files.length > 0);
  return others.some((event) => isBefore(event, begun)) ? [] : [...new Set(others.map(({ id }) => id))];
}

interface FurtherRows {
  /** Rows with all of the job's files. */
  readonly copies: readonly string[];
  /** Rows with the same part of them as another. */
  readonly repeatedChildren: readonly string[];
  /** The job has one file: then one row with it may be its child. */
  readonly single: boolean;
}

function furtherRows(history: History, job: string | undefined): FurtherRows {
  const files = history.of('job:created').find((event) => event.job === job)?.files;
  const carried = new Map<string, readonly string[]>();
  for (const event of history.of('row:stranger')) {
    if (event.job === job) carried.set(event.id, event.files);
  }
  for (const event of history.of('rows:counted')) {
    if (event.job === job) for (const row of event.rows) carried.set(row.id, row.files);
  }
  const whole = files && keyOf(files);
  const seen = new Set<string>();
  const copies: string[] = [];
  const repeatedChildren: string[] = [];
  for (const [id, rowFiles] of carried) {
    if (id === job || rowFiles.length === 0) continue;
    const key = keyOf(rowFiles);
    if (key === whole) copies.push(id);
    else if (seen.has(key)) repeatedChildren.push(id);
    seen.add(key);
  }
  return { copies, repeatedChildren, single: files?.length === 1 };
}

function keyOf(files: readonly string[]): string {
  return [...files].sort().join('\n');
}
