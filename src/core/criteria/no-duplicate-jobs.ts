/**
 * Exactly one row and at most one unfinished message for the submitted job, children counted.
 *
 * Why: a recovery that makes a second row or message runs the job twice, sooner or later.
 * What would fool it: counting at the end only (the second message has been consumed by then), or counting by id
 * only (the copy has an id of its own). So every look at the broker counts, and rows are found by the files they carry.
 * A bulk job may rightly have children, rows that carry some of its files: what must not be is a second row with all
 * of them, or two children with the same ones.
 * Where no access to the table was given, and nothing lists the jobs, it is skipped: the report says why.
 * What it cannot see: a second message in a broker that cannot be searched; then only rows are judged, and that is said.
 */
import { finding } from '../findings.ts';
import type { History } from '../history.ts';
import { judgement, type Criterion } from './criterion.ts';

export const noDuplicateJobs: Criterion = {
  id: 'no-duplicate-jobs',
  title: 'no duplicate of it was made',
  judge(history, facts) {
    const duplicates = duplicateRows(history, facts.job);
    if (duplicates.length > 0)
      return judgement('failed', finding('further-rows', { ids: duplicates.join(', ') }));
    const messages = facts.snapshots.flatMap((snapshot) =>
      snapshot.messages === null ? [] : [snapshot.messages],
    );
    const most = Math.max(0, ...messages);
    if (most > 1) return judgement('failed', finding('further-messages', { messages: most }));
    const unseen = history.of('rows:not-counted').find((event) => event.job === facts.job);
    if (unseen !== undefined)
      return judgement('skipped', finding('rows-not-visible', { reason: unseen.reason }));
    const counts = history.of('rows:counted').filter((event) => event.job === facts.job);
    if (counts.length === 0) return judgement('inconclusive', finding('rows-not-counted'));
    const rows = finding('one-row', { children: Math.max(0, (counts.at(-1)?.rows.length ?? 1) - 1) });
    return messages.length === 0
      ? judgement('passed', rows, finding('messages-not-counted'))
      : judgement('passed', rows, finding('one-message', { most }));
  },
};

/** The ids of rows that repeat the job, or a child of it. */
function duplicateRows(history: History, job: string | undefined): readonly string[] {
  const files = history.of('job:created').find((event) => event.job === job)?.files ?? [];
  const carried = new Map<string, readonly string[]>();
  for (const event of history.of('row:stranger')) {
    if (event.job === job) carried.set(event.id, event.files);
  }
  for (const event of history.of('rows:counted')) {
    if (event.job === job) for (const row of event.rows) carried.set(row.id, row.files);
  }
  const seen = new Set<string>();
  if (files.length > 0) seen.add([...files].sort().join('\n'));
  const duplicates: string[] = [];
  for (const [id, rowFiles] of carried) {
    if (id === job) continue;
    const key = [...rowFiles].sort().join('\n');
    if (seen.has(key)) duplicates.push(id);
    seen.add(key);
  }
  return duplicates;
}
