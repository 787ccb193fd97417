/** Runs one row of the corpus: a database of its own, one verification, and what the hand-written script would have said. */
import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import type { UserConfig } from '../../config/define-config.ts';
import { loadSettings } from '../../config/load.ts';
import type { Event } from '../../core/event.ts';
import { createHistory } from '../../core/history.ts';
import type { Report } from '../../core/report.ts';
import { verify } from '../../verification/verify.ts';
import type { TestPostgres } from '../servers.ts';
import type { CorpusRow } from './row.ts';
import { scriptSays } from './script-says.ts';
import { builtWorker, TARGETS } from './targets.ts';

export interface RowResult {
  readonly row: CorpusRow;
  readonly report: Report;
  readonly failed: readonly string[];
  readonly diagnoses: readonly string[];
  /** What the checks of a hand-written script would have said of the same run. */
  readonly script: string;
  /** Why it is not as expected; empty: it is. */
  readonly misses: readonly string[];
  readonly events: readonly Event[];
  readonly ms: number;
}

/** What all rows share; a run that is lost has to end soon. */
const SHARED: UserConfig = {
  autoRestart: true,
  files: 5,
  processingTimeout: '15s',
  terminalTimeout: '5s',
  retries: { baseDelay: '100ms' },
};

export interface CorpusPlace {
  readonly server: TestPostgres;
  readonly outputDir: string;
  readonly observe?: 'trigger' | 'poll';
  /** Leaves the fault out. */
  readonly disarmed?: boolean;
  /** Something that goes on beside the run, with the database that it is about. */
  readonly beside?: (databaseUrl: string) => Promise<AsyncDisposable>;
}

export async function runRow(row: CorpusRow, place: CorpusPlace): Promise<RowResult> {
  const startedMs = performance.now();
  const database = `corpus_${row.target}_${randomBytes(4).toString('hex')}`;
  await administer(place.server.url, `create database ${database} template ${templateOf(row.target)}`);
  const url = place.server.urlOf(database);
  let neighbour: AsyncDisposable | undefined;
  try {
    if (row.setup !== undefined) await administer(url, row.setup);
    const settings = await loadSettings({
      flags: {},
      env: {},
      cwd: process.cwd(),
      isTTY: false,
      demo: configOf(row, url, place),
    });
    const events: Event[] = [];
    neighbour = await place.beside?.(url);
    const { report, problem } = await verify(settings, {
      toolVersion: 'corpus',
      onEvent: (event) => events.push(event),
      disarmed: place.disarmed ?? false,
    });
    const failed = report.criteria.filter(({ status }) => status === 'failed').map(({ id }) => id);
    const diagnoses = report.diagnoses.map(({ id }) => id);
    const script = scriptSays(createHistory(events));
    const misses = problem === null ? missesOf(row, report, failed, diagnoses) : [problem.message];
    return { row, report, failed, diagnoses, script, misses, events, ms: performance.now() - startedMs };
  } finally {
    await neighbour?.[Symbol.asyncDispose]();
    await administer(place.server.url, `drop database ${database} with (force)`);
  }
}

/** Makes the database that the runs of a target get copies of. */
export async function makeTemplate(server: TestPostgres, target: CorpusRow['target']): Promise<void> {
  await administer(server.url, `create database ${templateOf(target)}`);
  await administer(server.urlOf(templateOf(target)), await TARGETS[target].schema());
}

function templateOf(target: CorpusRow['target']): string {
  return `corpus_${target}`;
}

async function administer(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function configOf(row: CorpusRow, url: string, place: CorpusPlace): UserConfig {
  const target = TARGETS[row.target];
  const flags = [...target.flags, ...(row.flags ?? [])].join(' ');
  const sections = [SHARED, target.config, row.config ?? {}];
  return {
    ...Object.assign({}, ...sections),
    scenario: row.scenario,
    strikeAt: row.strikeAt,
    outputDir: place.outputDir,
    ...(place.observe === undefined ? {} : { observe: place.observe }),
    database: { url },
    jobs: {
      ...target.config.jobs,
      ...row.config?.jobs,
      columns: { ...target.config.jobs?.columns, ...row.config?.jobs?.columns },
    },
    worker: {
      ...target.config.worker,
      ...row.config?.worker,
      command: `exec '${process.execPath}' '${builtWorker(row.worker)}' ${flags}`,
      env: { ...row.config?.worker?.env, DATABASE_URL: url },
    },
  };
}

function missesOf(
  { expect }: CorpusRow,
  report: Report,
  failed: readonly string[],
  diagnoses: readonly string[],
): readonly string[] {
  const misses: string[] = [];
  if (report.verdict !== expect.verdict) misses.push(`${report.verdict} instead of ${expect.verdict}`);
  for (const id of expect.failing ?? []) if (!failed.includes(id)) misses.push(`${id} did not fail`);
  // What must pass, or must be called inconclusive, may fail nothing that is not named.
  const unexpected = failed.filter((id) => !(expect.failing ?? []).some((named) => named === id));
  if (expect.verdict !== 'failed' && unexpected.length > 0) misses.push(`${unexpected.join(', ')} failed`);
  if (expect.diagnosis !== undefined && !diagnoses.includes(expect.diagnosis)) {
    misses.push(`not diagnosed: ${expect.diagnosis}`);
  }
  return misses;
}
