/** `verify-restart cleanup`: removes what runs left behind that were killed before they could do it themselves. */
import { appendFile, access } from 'node:fs/promises';
import { join } from 'node:path';
import { loadSettings } from '../../config/load.ts';
import type { RawFlags } from '../../config/raw-flags.ts';
import { describeUrl } from '../../config/server-address.ts';
import type { Settings } from '../../config/settings.ts';
import { isUserError } from '../../core/errors.ts';
import type { Event, EventBody, Thing } from '../../core/event.ts';
import { openDatabase, type Database } from '../../jobs/database.ts';
import { JOURNAL_FILE, listRuns, readJournal } from '../../journal/journal.ts';
import { leftovers } from '../../journal/leftovers.ts';
import { openQueue } from '../../queues/index.ts';
import type { Queue } from '../../queues/queue.ts';
import { removeThings } from '../../verification/clean-up.ts';
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts';

export async function cleanUpRuns(flags: RawFlags): Promise<ExitCode> {
  const settings = await loadSettings({
    flags,
    env: process.env,
    cwd: process.cwd(),
    isTTY: true,
    purpose: 'maintenance',
  });
  const runs = await runsWithLeftovers(settings.outputDir);
  if (runs.length === 0) {
    console.log(`nothing to remove: no run in ${settings.outputDir} left anything behind`);
    return EXIT_CODES.verified;
  }
  const services = await openServices(
    settings,
    runs.flatMap((run) => run.things),
  );
  let kept = 0;
  try {
    for (const run of runs) {
      const left = await removeThings(run.things, { ...services, record: appendTo(run.journal, run.events) });
      for (const thing of run.things) {
        const done = !left.includes(thing);
        console.log(`${done ? '✔ removed' : '✖ kept'}  ${describeThing(thing)}`);
      }
      kept += left.length;
    }
  } finally {
    await services.queue?.[Symbol.asyncDispose]();
    await services.database?.[Symbol.asyncDispose]();
  }
  if (kept === 0) return EXIT_CODES.verified;
  console.error(
    `${kept} ${kept === 1 ? 'thing' : 'things'} could not be removed: see the reasons in the journals`,
  );
  return EXIT_CODES.environment;
}

interface LeftRun {
  readonly journal: string;
  readonly events: readonly Event[];
  readonly things: readonly Thing[];
}

async function runsWithLeftovers(outputDir: string): Promise<readonly LeftRun[]> {
  const runs: LeftRun[] = [];
  for (const folder of await listRuns(outputDir)) {
    const journal = join(folder, JOURNAL_FILE);
    const there = await access(journal).then(
      () => true,
      () => false,
    );
    if (!there) continue;
    const events = await readJournal(journal);
    const things = leftovers(events);
    if (things.length > 0) runs.push({ journal, events, things });
  }
  return runs;
}

/**
 * Opens what the things need. A database or broker that was the run's own (the demo's) is gone with its process and
 * folder: what lay in it needs no removal.
 */
async function openServices(
  settings: Settings,
  things: readonly Thing[],
): Promise<{ readonly database: Database | null; readonly queue: Queue | null }> {
  const needsDatabase = things.some(
    (thing) =>
      thing.kind === 'row' || thing.kind === 'history' || (thing.kind === 'upload' && thing.table !== null),
  );
  const needsQueue = things.some(
    (thing) =>
      thing.kind === 'message' ||
      thing.kind === 'queue-keys' ||
      (thing.kind === 'upload' && thing.table === null),
  );
  const { url } = settings.database;
  let database: Database | null = null;
  let queue: Queue | null = null;
  try {
    if (needsDatabase && url !== null) database = await openDatabase(url, describeUrl(url));
    if (needsQueue && (settings.queue.url !== null || url !== null)) {
      const started = performance.now();
      queue = await openQueue(settings.queue, {
        databaseUrl: url,
        clock: { now: () => Math.round(performance.now() - started) },
      });
      await queue.ping();
    }
  } catch (error) {
    if (!isUserError(error)) throw error;
    console.error(`warning: ${error.message}`);
  }
  return { database, queue };
}

function appendTo(journal: string, events: readonly Event[]): (body: EventBody) => void {
  let seq = events.length;
  const atMs = events.at(-1)?.atMs ?? 0;
  return (body) => {
    void appendFile(journal, `${JSON.stringify({ ...body, seq: seq++, atMs })}\n`);
  };
}

function describeThing(thing: Thing): string {
  switch (thing.kind) {
    case 'row':
      return `row ${thing.id} of ${thing.table}`;
    case 'history':
      return `history trigger on ${thing.table}`;
    case 'message':
      return `message ${thing.messageId} in ${thing.queueName}`;
    case 'upload':
      return `what the API made of the files ${thing.text}…`;
    case 'queue-keys':
      return `bookkeeping of the queue ${thing.queueName}`;
    case 'process':
      return `process ${thing.pid}`;
    case 'folder':
      return `folder ${thing.path}`;
  }
}
