/**
 * Step 3 where the service's API makes the job: the files are sent to it, and what it makes of them is followed by the
 * id that it answers with.
 *
 * The row comes about before its id is known here. Where the service keeps the names of the files, the trigger knows
 * the row by them and misses nothing. Where it gives them names of its own, the row is followed from the answer on:
 * what happened to it before, in the milliseconds that the answer took, is not in the record, and that is recorded.
 */
import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import { environmentError } from '../core/errors.ts';
import type { JobRole, Thing } from '../core/event.ts';
import { filesOfRow } from '../jobs/read-rows.ts';
import type { SubmitOutcome } from '../queues/queue.ts';
import { record, until, type Connected, type JobOnHand, type Observing } from './context.ts';
import { jobsCarrying, readJobs } from './job-rows.ts';
import { fileToken, rowThings, type ReservedIds } from './prepare-job.ts';

/** How long a job may take to show itself when the answer to its submission did not come. */
const SHOWS_ITSELF_TIMEOUT_MS = 5_000;
const SHOWS_ITSELF_INTERVAL_MS = 200;

/** How the names of a job's uploads begin. */
function uploadPrefix(run: { readonly id: string }, role: JobRole): string {
  return `${fileToken(run)}-${role}-`;
}

/** @throws UserError when the API made no job, or never said which */
export async function submitByApi(run: Observing, job: JobOnHand, ids: ReservedIds): Promise<JobOnHand> {
  const { queue, settings, observer } = run;
  const prefix = uploadPrefix(run, job.role);
  const names = job.files.map((path) => `${prefix}${basename(path)}`);
  const uploads = uploadThings(run, prefix);
  for (const thing of uploads) record(run, { kind: 'made', thing });
  observer.expect();
  let outcome: SubmitOutcome;
  try {
    outcome = await queue.submit({
      job: '',
      messageId: randomUUID(),
      task: settings.queue.task,
      payload: null,
      files: job.files.map((path, index) => ({ path, name: names[index] ?? basename(path) })),
    });
  } catch (error) {
    // An error means that there definitely is no job.
    for (const thing of uploads) record(run, { kind: 'removed', thing });
    throw error;
  }
  const id = outcome.job ?? (await findByFiles(run, prefix));
  if (id === null) throw unknownJob(outcome);
  recordMade(run, id, outcome.messageId, uploads);
  ids.set(job.role, id);
  // What polling does not see is told of all it shows.
  const complete = (await observer.follow(id)) || observer.source === 'poll';
  const created = { ...job, id, message: { job: id, messageId: outcome.messageId } };
  return recordSubmission(run, created, outcome, { names, prefix, complete });
}

/** What the API makes may lie in the job table or, when the job has ended, in the archive; without a table the API has it. */
function uploadThings(run: Connected, text: string): readonly Extract<Thing, { kind: 'upload' }>[] {
  const { queue, table, archive } = run;
  const places = archive === null ? [table] : [table, archive];
  return places.map((place) => ({
    kind: 'upload',
    queue: queue.kind,
    queueName: queue.queueName,
    table: place?.sql ?? null,
    filesColumn: place?.roles.files?.name ?? null,
    text,
  }));
}

/** The row is removed by its id from now on; without a table the API is the only one to ask. */
function recordMade(run: Connected, id: string, messageId: string, uploads: readonly Thing[]): void {
  const { queue, table } = run;
  for (const thing of rowThings(run, id)) record(run, { kind: 'made', thing });
  if (table === null || queue.api?.removes === true) {
    record(run, {
      kind: 'made',
      thing: { kind: 'message', queue: queue.kind, queueName: queue.queueName, job: id, messageId },
    });
  }
  // Where there is a table, a second row of the same upload is removed with the first.
  if (table === null) for (const thing of uploads) record(run, { kind: 'removed', thing });
}

async function recordSubmission(
  run: Connected,
  job: JobOnHand,
  outcome: SubmitOutcome,
  seen: { readonly names: readonly string[]; readonly prefix: string; readonly complete: boolean },
): Promise<JobOnHand> {
  const { rows } = await readJobs(run, [job.id]);
  const files = run.table === null ? seen.names : await ownFiles(run, job.id, seen.prefix);
  record(run, {
    kind: 'job:created',
    job: job.id,
    role: job.role,
    status: rows.get(job.id)?.status ?? '',
    files,
    ...(seen.complete ? {} : { followedLate: true }),
  });
  record(run, {
    kind: 'job:submitted',
    job: job.id,
    role: job.role,
    messageId: job.message.messageId,
    task: run.settings.queue.task,
    certainty: outcome.certainty,
    ...(outcome.problem === undefined ? {} : { problem: outcome.problem }),
  });
  return { ...job, files };
}

/**
 * The files as the row carries them. Names that the service has given are only good for telling the job's rows from
 * others if no other row carries all of them already; else there are none.
 */
async function ownFiles(run: Connected, id: string, prefix: string): Promise<readonly string[]> {
  const { database, table } = run;
  const files = database === null || table === null ? null : await filesOfRow(database, table, id);
  if (files === null) return [];
  const kept = files.filter((file) => file.includes(prefix));
  if (kept.length > 0 || files.length === 0) return kept;
  const carriers = await jobsCarrying(run, files);
  if (typeof carriers === 'string') return [];
  const same = carriers.some((row) => row.id !== id && files.every((file) => row.files.includes(file)));
  return same ? [] : files;
}

/** For a submission whose answer did not tell the id: the job that carries the files, if it shows itself. */
async function findByFiles(run: Connected, prefix: string): Promise<string | null> {
  const found = await until(run, SHOWS_ITSELF_TIMEOUT_MS, SHOWS_ITSELF_INTERVAL_MS, async () => {
    const jobs = await jobsCarrying(run, [prefix]).catch(() => '');
    if (typeof jobs === 'string') return null;
    return jobs[0]?.id;
  });
  return found ?? null;
}

function unknownJob({ problem, remedy }: SubmitOutcome): Error {
  const reason = (problem ?? 'the API did not say which job it made').replace(/\.$/, '');
  return environmentError(
    'job-unknown',
    `${reason}; whether a job was made is not known, and none with our files is to be seen`,
    remedy,
  );
}
