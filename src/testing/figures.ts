/**
 * The figures of a number of demo runs, read from their journals:
 *   npm run figures -- [runs] [further options of demo]
 * Prints minimum, median and maximum of: demo to verdict; the final commit until it was seen (the time of the
 * statement in the trigger, so the commit itself is counted in); the broker empty until the verdict.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { databaseClock } from '../core/database-clock.ts';
import { isTerminal } from '../core/event.ts';
import { createHistory, first, type History } from '../core/history.ts';
import { judge } from '../core/report.ts';
import { JOURNAL_FILE, listRuns, readJournal } from '../journal/journal.ts';

const [runs = '20', ...options] = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), 'vr-figures-'));
const launcher = join(import.meta.dirname, '../../bin/verify-restart.js');
const wallMs: number[] = [];
for (let run = 0; run < Number(runs); run += 1) {
  const started = performance.now();
  await demo();
  wallMs.push(performance.now() - started);
}
const histories: History[] = [];
for (const run of await listRuns(folder))
  histories.push(createHistory(await readJournal(join(run, JOURNAL_FILE))));
await rm(folder, { recursive: true });

const verdicts = histories.map((history) => judge(history).verdict);
console.log(`${verdicts.filter((verdict) => verdict === 'passed').length} of ${histories.length} passed`);
print(
  'demo to verdict',
  histories.map((history) => first(history, 'run:ended')?.atMs),
);
print('whole process', wallMs);
print('final commit to seen', histories.map(commitToSeen));
print('broker empty to verdict', histories.map(emptyToVerdict));

function demo(): Promise<void> {
  return new Promise((resolve) => {
    const args = [launcher, 'demo', '-q', '--output-dir', folder, ...options];
    // A run that fails is told by its verdict.
    execFile(process.execPath, args, () => resolve());
  });
}

function commitToSeen(history: History): number | undefined {
  const clock = databaseClock(history);
  const end = history
    .of('row:version')
    .find(
      (version) =>
        version.source === 'trigger' && version.values !== null && isTerminal(version.values.state),
    );
  if (clock === null || end === undefined) return undefined;
  return end.atMs - clock.toRunMs(end.databaseAtMs);
}

function emptyToVerdict(history: History): number | undefined {
  const settling = first(history, 'settle:started');
  const ended = first(history, 'run:ended');
  if (settling === undefined || ended === undefined) return undefined;
  const empty = history
    .of('broker:snapshot')
    .find(
      (snapshot) => snapshot.seq > settling.seq && (snapshot.state === 'ended' || snapshot.state === 'gone'),
    );
  return empty === undefined ? undefined : ended.atMs - empty.atMs;
}

function print(title: string, values: readonly (number | undefined)[]): void {
  const sorted = values.filter((value): value is number => value !== undefined).sort((a, b) => a - b);
  const at = (part: number): string =>
    `${Math.round(sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN)} ms`;
  console.log(`${title.padEnd(24)} min ${at(0)}, median ${at(0.5)}, max ${at(1)} (n=${sorted.length})`);
}
