/**
 * Removes what a run made, by its journal alone: the run itself does it on every way out, and `cleanup` does it for
 * runs that were killed. Each thing is removed by itself; one that cannot be is kept, and said, and the others go on.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventBody, Thing } from '../core/event.ts';
import { deleteRow, deleteRowsCarrying } from '../jobs/read-rows.ts';
import { removeHistory } from '../jobs/history-objects.ts';
import type { Database } from '../jobs/database.ts';
import type { Queue } from '../queues/queue.ts';
import { killTree } from '../workers/kill-tree.ts';
import { isAlive } from '../workers/process-table.ts';
import { workerTree } from '../workers/worker-tree.ts';

export interface CleanUpMeans {
  readonly database: Database | null;
  readonly queue: Queue | null;
  readonly record: (body: EventBody) => void;
}

/** @param things in the order in which they are to be removed; @returns those that could not be */
export async function removeThings(things: readonly Thing[], means: CleanUpMeans): Promise<readonly Thing[]> {
  const kept: Thing[] = [];
  for (const thing of inOrder(things)) {
    try {
      await removeThing(thing, means);
      means.record({ kind: 'removed', thing });
    } catch (error) {
      kept.push(thing);
      means.record({ kind: 'kept', thing, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return kept;
}

/**
 * Workers first, so that nobody writes any more; then the trigger, so that the removal of the row is not recorded as a
 * loss; messages before rows, so that nobody picks up a job without a row; servers and folders last.
 */
const ORDER: Readonly<Record<Thing['kind'], number>> = {
  process: 0,
  history: 1,
  message: 2,
  row: 3,
  upload: 3,
  'queue-keys': 4,
  folder: 6,
};

function inOrder(things: readonly Thing[]): readonly Thing[] {
  const rank = (thing: Thing): number =>
    thing.kind === 'process' && !isWorker(thing) ? 5 : ORDER[thing.kind];
  return [...things].sort((a, b) => rank(a) - rank(b));
}

/** A worker's marker is `<run id>#<incarnation>`; a server's is its folder or its address. */
export function isWorker(thing: Extract<Thing, { kind: 'process' }>): boolean {
  return /#\d+$/.test(thing.marker);
}

async function removeThing(thing: Thing, { database, queue }: CleanUpMeans): Promise<void> {
  switch (thing.kind) {
    case 'process':
      return endProcess(thing);
    case 'folder':
      return rm(thing.path, { recursive: true, force: true });
    case 'history':
      return removeHistory(needed(database, 'the database'), thing.suffix);
    case 'row':
      return deleteRow(needed(database, 'the database'), thing.table, thing.idColumn, thing.id);
    case 'upload':
      return removeUpload(thing, { database, queue });
    case 'message':
      return needed(queue, 'the queue').purge({ job: thing.job, messageId: thing.messageId });
    case 'queue-keys':
      return needed(queue, 'the queue').removeKeys(thing.absent);
  }
}

function needed<Means>(means: Means | null, what: string): Means {
  if (means === null) throw new Error(`${what} cannot be reached`);
  return means;
}

async function removeUpload(
  { table, filesColumn, text }: Extract<Thing, { kind: 'upload' }>,
  { database, queue }: Pick<CleanUpMeans, 'database' | 'queue'>,
): Promise<void> {
  if (table !== null && filesColumn !== null) {
    return deleteRowsCarrying(needed(database, 'the database'), table, filesColumn, text);
  }
  const opened = needed(queue, 'the API');
  const jobs = (await opened.api?.carrying([text]))?.jobs;
  if (jobs == null) {
    throw new Error(`the API never said which job it made of the files ${text}…, if any: remove it by hand`);
  }
  for (const { id } of jobs) await opened.purge({ job: id, messageId: id });
}

/** How long a server may take to stop by itself. */
const SERVER_STOP_MS = 3_000;

async function endProcess(thing: Extract<Thing, { kind: 'process' }>): Promise<void> {
  if (isWorker(thing)) {
    const find = async () => (await workerTree({ root: thing, marker: thing.marker })).processes;
    const result = await killTree({ find, deadlineMs: 10_000 });
    if (result.kind === 'still-there')
      throw new Error(`still running: pid ${result.alive.map(({ pid }) => pid).join(', ')}`);
    return;
  }
  // A database server wants to be asked: a SIGKILL leaves its shared memory behind.
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (!(await isAlive(thing))) return;
    process.kill(thing.pid, signal);
    const deadline = performance.now() + SERVER_STOP_MS;
    while (performance.now() < deadline && (await isAlive(thing))) await delay(20);
  }
  if (await isAlive(thing)) throw new Error(`still running: pid ${thing.pid}`);
}
