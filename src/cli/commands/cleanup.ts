/** `verify-restart cleanup`: removes what runs left behind that were killed before they could do it themselves. */
import { appendFileSync } from 'node:fs';
import { access, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { loadSettings } from '../../config/load.ts';
import type { RawFlags } from '../../config/raw-flags.ts';
import { describeUrl } from '../../config/server-address.ts';
import type { Settings } from '../../config/settings.ts';
import { isUserError } from '../../core/errors.ts';
import type { Event, EventBody, EventOf, Thing } from '../../core/event.ts';
import { openDatabase, type Database } from '../../jobs/database.ts';
import { JOURNAL_FILE, listRuns, readJournal } from '../../journal/journal.ts';
import { leftovers } from '../../journal/leftovers.ts';
import { openQueue } from '../../queues/index.ts';
import type { Queue } from '../../queues/queue.ts';
import { describeThing } from '../../reporters/thing-words.ts';
import { isWorker, removeThings } from '../../verification/clean-up.ts';
import { isAlive } from '../../workers/process-table.ts';
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts';

export async function cleanUpRuns(flags: RawFlags): Promise<ExitCode> {
  const { outputDir } = await settingsFor(flags);
  const { runs, unreadable } = await runsWithLeftovers(outputDir);
  for (const problem of unreadable) console.error(`warning: ${problem}: this run was not cleaned up`);
  if (runs.length === 0) {
    console.log(`nothing to remove: no run in ${outputDir} left anything behind`);
    return unreadable.length === 0 ? EXIT_CODES.verified : EXIT_CODES.environment;
  }
  let kept = 0;
  for (const run of runs) {
    const { started } = run;
    if (started?.harness !== undefined && (await isAlive(started.harness))) {
      console.log(`run ${started.runId} is still going on (pid ${started.harness.pid}): left alone`);
    } else {
      kept += await cleanUpRun(run, flags);
    }
  }
  if (kept === 0) return unreadable.length === 0 ? EXIT_CODES.verified : EXIT_CODES.environment;
  console.error(
    `${kept} ${kept === 1 ? 'thing' : 'things'} could not be removed; cleanup can be tried again`,
  );
  return EXIT_CODES.environment;
}

function settingsFor(flags: RawFlags): Promise<Settings> {
  return loadSettings({ flags, env: process.env, cwd: process.cwd(), isTTY: true, purpose: 'maintenance' });
}

interface LeftRun {
  readonly journal: string;
  readonly events: readonly Event[];
  readonly started: EventOf<'run:started'> | undefined;
  readonly things: readonly Thing[];
}

/** A journal that cannot be read must not keep the others from being cleaned up. */
async function runsWithLeftovers(
  outputDir: string,
): Promise<{ readonly runs: readonly LeftRun[]; readonly unreadable: readonly string[] }> {
  const runs: LeftRun[] = [];
  const unreadable: string[] = [];
  for (const folder of await listRuns(outputDir)) {
    const journal = join(folder, JOURNAL_FILE);
    const there = await access(journal).then(
      () => true,
      () => false,
    );
    if (!there) continue;
    const events = await readJournal(journal).catch((error: unknown) => {
      if (!isUserError(error)) throw error;
      unreadable.push(error.message);
      return null;
    });
    if (events === null) continue;
    const things = leftovers(events);
    const started = events.find((event) => event.kind === 'run:started');
    if (things.length > 0) runs.push({ journal, events, started, things });
  }
  return { runs, unreadable };
}

/** @returns how many things could not be removed */
async function cleanUpRun(run: LeftRun, flags: RawFlags): Promise<number> {
  const inTable = run.things.filter(isInTable);
  const inOwnServers = run.things.filter(
    (thing) => startedServers(run) && isInServer(thing) && !inTable.includes(thing),
  );
  const others = run.things.filter((thing) => !inOwnServers.includes(thing) && !inTable.includes(thing));
  const append = await appendTo(run);
  const record = (body: EventBody): void => {
    if (body.kind === 'removed') console.log(`✔ removed  ${describeThing(body.thing)}`);
    if (body.kind === 'kept') console.log(`✖ kept     ${describeThing(body.thing)}: ${body.reason}`);
    append(body);
  };
  const services = await openServices(run, others, flags);
  for (const thing of inTable) record({ kind: 'removed', thing });
  let left: readonly Thing[];
  try {
    left = await removeThings(others, { ...services, record });
  } finally {
    await services.queue?.[Symbol.asyncDispose]();
    await services.database?.[Symbol.asyncDispose]();
  }
  const serversLeft = left.some((thing) => thing.kind === 'process' || thing.kind === 'folder');
  for (const thing of inOwnServers) {
    record(
      serversLeft ? { kind: 'kept', thing, reason: 'its server is still there' } : { kind: 'removed', thing },
    );
  }
  return left.length + (serversLeft ? inOwnServers.length : 0);
}

/** The run had servers of its own, as the demo has: what lay in them is gone with them. */
function startedServers({ events }: LeftRun): boolean {
  return events.some(
    (event) => event.kind === 'made' && event.thing.kind === 'process' && !isWorker(event.thing),
  );
}

function isInServer({ kind }: Thing): boolean {
  return kind !== 'process' && kind !== 'folder';
}

function isInDatabase(thing: Thing): boolean {
  return (
    thing.kind === 'row' || thing.kind === 'history' || (thing.kind === 'upload' && thing.table !== null)
  );
}

/** Where the table is the queue, the row is the message. */
function isInTable(thing: Thing): boolean {
  return (thing.kind === 'message' || thing.kind === 'queue-keys') && thing.queue === 'none';
}

/** Opens what the things need. The queue is the run's, whatever the settings name now; the servers must be the same. */
async function openServices(
  { started }: LeftRun,
  things: readonly Thing[],
  flags: RawFlags,
): Promise<{ readonly database: Database | null; readonly queue: Queue | null }> {
  const needsDatabase = things.some(isInDatabase);
  const needsQueue = things.some((thing) => isInServer(thing) && !isInDatabase(thing));
  const target = started?.target;
  const { database: servers, queue: settings } = await settingsFor({
    ...flags,
    ...(target === undefined ? {} : { queue: target.queue, queueName: target.queueName }),
    ...(target?.backend == null ? {} : { queueBackend: target.backend }),
  });
  let database: Database | null = null;
  let queue: Queue | null = null;
  try {
    if (needsDatabase && servers.url !== null && isSameServer('database', servers.url, target?.database)) {
      database = await openDatabase(servers.url, describeUrl(servers.url));
    }
    if (needsQueue && isSameServer('broker', settings.url, target?.broker)) {
      const opened = performance.now();
      queue = await openQueue(settings, {
        databaseUrl: servers.url,
        clock: { now: () => Math.round(performance.now() - opened) },
      });
      await queue.ping();
    }
  } catch (error) {
    if (!isUserError(error)) throw error;
    console.error(`warning: ${error.message}`);
  }
  return { database, queue };
}

/** Removing from another server than the run's would find nothing there, and be taken for done. */
function isSameServer(what: string, url: string | null, wanted: string | undefined): boolean {
  const now = url === null ? 'none' : describeUrl(url);
  if (wanted === undefined || now === wanted) return true;
  console.error(`warning: the run's ${what} was ${wanted}, and ${now} is named now`);
  return false;
}

/** A last line that was cut off when the run was killed is taken away, or it would swallow the next one. */
async function appendTo({ journal, events }: LeftRun): Promise<(body: EventBody) => void> {
  const text = await readFile(journal);
  await truncate(journal, text.lastIndexOf('\n') + 1);
  let seq = events.length;
  const atMs = events.at(-1)?.atMs ?? 0;
  return (body) => appendFileSync(journal, `${JSON.stringify({ ...body, seq: seq++, atMs })}\n`);
}
