/** What goes on for a worker whose processes were all killed: a process of it was not among them. */
import { writtenAtMs } from './database-clock.ts';
import type { History, RowVersion } from './history.ts';
import type { RestartFacts } from './restart.ts';

/** What a statement that the server was busy with may take to land after its client was killed. */
const LANDED_AFTER_KILL_MS = 500;

/** The writes of the struck worker long after the kill, if they are more than the one transaction that was under way. */
export function writesAfterKill(history: History, facts: RestartFacts): readonly RowVersion[] {
  const { struck, changes, attribute, faults } = facts;
  const [fault] = faults;
  if (fault?.signal !== 'SIGKILL' || fault.reach !== 'tree') return [];
  const late = changes.filter(
    (version) =>
      writtenAtMs(history, version) > fault.atMs + LANDED_AFTER_KILL_MS &&
      attribute(version)?.incarnation === struck,
  );
  return new Set(late.map(({ writer }) => writer?.transactionId)).size > 1 ? late : [];
}
