/**
 * Nothing changes a job that has reached a final state, until the settle time is over.
 *
 * Why: whoever was told that a job is completed, or failed, has acted on it. A job that goes on after that has been
 * told about wrongly, or is done twice.
 * What would fool it: looking at the last state only (failed at boot, then completed by the redelivery: it looks
 * perfect), and judging at the first final state without waiting (the harm comes a moment later).
 * Not held against a worker: further versions of the transaction that ended the job (nobody else has seen the states
 * between), a claim that is given up after the end (owner, lease, heartbeat), and columns that the harness does not
 * know (a note of somebody else's); the latter are said. A row that is deleted is judged by `job-persisted`.
 */
import { isTerminal, type RowValues } from '../event.ts';
import { finding, type Finding } from '../findings.ts';
import { rowBefore } from '../history.ts';
import { judgement, type Criterion } from './criterion.ts';

const JUDGED = [
  'taskId',
  'progress',
  'startedAt',
  'completedAt',
  'retryCount',
  'error',
  'attempts',
] as const satisfies readonly (keyof RowValues)[];

export const terminalIsFinal: Criterion = {
  id: 'terminal-is-final',
  title: 'its end was final',
  judge(_history, facts) {
    const { terminal } = facts;
    if (terminal?.values == null) return judgement('skipped', finding('no-end-to-compare'));
    const { state } = terminal.values;
    const problems: Finding[] = [];
    let elsewhere = 0;
    for (const version of facts.changes) {
      const { values } = version;
      if (version.seq <= terminal.seq || values === null) continue;
      const previous = rowBefore(facts.changes, version.seq);
      if (previous === null || previous === undefined || previous.digest === values.digest) continue;
      const incarnation = facts.attribute(version)?.incarnation ?? null;
      const afterMs = version.atMs - terminal.atMs;
      const columns = JUDGED.filter((column) => values[column] !== previous[column]);
      if (isTerminal(previous.state) && values.state !== previous.state) {
        problems.push(
          finding('left-final-state', { state: previous.state, now: values.state, incarnation, afterMs }),
        );
      } else if (isTerminal(previous.state) && columns.length > 0) {
        problems.push(
          finding('changed-after-end', { state, columns: columns.join(', '), incarnation, afterMs }),
        );
      } else if (isTerminal(previous.state)) {
        elsewhere += 1;
      }
    }
    if (problems.length > 0) return judgement('failed', ...problems);
    const stayed = finding('stayed-final', { state });
    return elsewhere === 0
      ? judgement('passed', stayed)
      : judgement('passed', stayed, finding('other-columns-changed', { changes: elsewhere }));
  },
};
