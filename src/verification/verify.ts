/** One verification: the seven steps in order. Everything else stands in the files of the steps. */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { backendOf } from '../config/queue-backend.ts';
import { httpSecrets } from '../config/http-settings.ts';
import type { Settings } from '../config/settings.ts';
import { isUserError, usageError, type UserError } from '../core/errors.ts';
import type { Event, Thing } from '../core/event.ts';
import { redactText } from '../core/redact.ts';
import { judge, type Report } from '../core/report.ts';
import { type Scenario } from '../core/scenario.ts';
import type { Database } from '../jobs/database.ts';
import { readRows } from '../jobs/read-rows.ts';
import type { JobTable } from '../jobs/table.ts';
import type { Observer } from '../jobs/observer.ts';
import { JOURNAL_FILE, makeRunFolder, newRunId } from '../journal/journal.ts';
import { KEPT_ON_PURPOSE, leftovers } from '../journal/leftovers.ts';
import { Recorder } from '../journal/recorder.ts';
import type { Queue } from '../queues/queue.ts';
import { awaitStrike } from './await-strike.ts';
import { lookAtWitness } from './after-gone.ts';
import { watchBroker, type BrokerWatch } from './broker-watch.ts';
import { removeThings } from './clean-up.ts';
import {
  checkEffectsQuery,
  checkObservation,
  countEffects,
  countRows,
  lookForLeftovers,
  lookInArchive,
  needsControl,
  runControl,
} from './conclude.ts';
import {
  inStep,
  record,
  type Connected,
  type Environment,
  type InFlight,
  type Observing,
  type Operator,
  type RunContext,
  hasEnded,
} from './context.ts';
import { consumerIds, HarnessWorkers } from './harness-workers.ts';
import { monitor } from './monitor.ts';
import { createJob, reserveIds, startObserving } from './prepare-job.ts';
import { isWorthATry, tryNextBoot } from './next-boot.ts';
import { checkWorkers, preflight } from './preflight.ts';
import { readyToStrike, restartByHarness, type StrikeReadiness } from './restart-by-harness.ts';
import { restartByCommands, restartByOperator } from './restart-by-others.ts';
import { scenarioOf } from './scenarios.ts';
import { settle } from './settle.ts';
import { triggerJob } from './trigger-job.ts';
import {
  awaitWaitingWitness,
  prepareWaitingWitness,
  runEndedWitness,
  submitWaitingWitness,
} from './witnesses.ts';
import { describeUrl } from '../config/server-address.ts';
import { describeStrikeAt } from '../config/strike-at.ts';
import { readProcess } from '../workers/process-table.ts';

export interface VerifyHost {
  readonly toolVersion: string;
  /** Aborting it ends the run: what was made is removed, and the report's verdict is `error`. */
  readonly signal?: AbortSignal;
  /** Who restarts the worker where `autoRestart` is off. */
  readonly operator?: Operator;
  readonly onEvent?: (event: Event) => void;
  /** Called once the verdict is known, before the clean-up. */
  readonly onJudged?: (report: Report) => void;
  /** Servers for this run alone. */
  readonly environment?: Environment;
  /** The command line of this run, credentials masked. */
  readonly command?: string;
  /** Leaves every fault out: such a run must come out inconclusive. */
  readonly disarmed?: boolean;
}

export interface Verification {
  readonly report: Report;
  /** Why there is no verdict, where it is the environment's or the user's doing. */
  readonly problem: UserError | null;
  /** What could not be removed. */
  readonly kept: readonly Thing[];
  /** Rows with the job's files that the run did not make; they are the worker's, and stay. */
  readonly strangers: readonly string[];
}

/**
 * Verifies once.
 * @returns the report, also when the environment was not ready or the run was interrupted (verdict `error`)
 * @throws only what is a bug of ours, after cleaning up
 */
export async function verify(settings: Settings, host: VerifyHost): Promise<Verification> {
  const scenario = scenarioOf(settings);
  refuseUnsupported(settings, host);
  const run = await openRun(settings, scenario, host);
  const opened: Opened = {
    database: null,
    table: null,
    queue: null,
    workers: null,
    observer: null,
    broker: null,
    readiness: null,
  };
  let problem: UserError | null = null;
  try {
    await perform(run, host, opened);
  } catch (error) {
    problem = abort(run, error);
    if (problem === null && !run.signal.aborted) {
      await cleanUp(run, host, opened);
      throw error;
    }
  }
  record(run, { kind: 'run:ended' });
  const report = judge(run.recorder.history());
  host.onJudged?.(report);
  const { kept, strangers } = await cleanUp(run, host, opened);
  const inOwnServers = host.environment !== undefined;
  return { report, problem, kept, strangers: inOwnServers ? [] : strangers };
}

/** Of the rows that workers made, those that did not go with the ones that were removed. */
async function strangersLeft(run: RunContext, { database, table }: Opened): Promise<readonly string[]> {
  const ids = strangersIn(run.recorder.events);
  if (ids.length === 0 || database === null || table === null) return ids;
  try {
    const { rows } = await readRows(database, table, run.settings.jobs.statuses, ids);
    return ids.filter((id) => rows.has(id));
  } catch {
    // A database that is away has them still, for all that is known.
    return ids;
  }
}

function strangersIn(events: readonly Event[]): readonly string[] {
  const own = new Set(events.flatMap((event) => (event.kind === 'job:created' ? [event.job] : [])));
  const seen = events.flatMap((event) =>
    event.kind === 'row:stranger'
      ? [event.id]
      : event.kind === 'rows:counted'
        ? event.rows.map(({ id }) => id)
        : [],
  );
  return [...new Set(seen)].filter((id) => !own.has(id));
}

interface Opened {
  database: Database | null;
  table: JobTable | null;
  queue: Queue | null;
  workers: HarnessWorkers | null;
  observer: Observer | null;
  broker: BrokerWatch | null;
  readiness: StrikeReadiness | null;
}

async function perform(run: RunContext, host: VerifyHost, opened: Opened): Promise<void> {
  const { settings } = run;
  const connected = await inStep(run, 'preflight', async () => {
    const servers = await startEnvironment(run, host);
    const ready = await preflight(servers.run, servers.databaseUrl, (part) => Object.assign(opened, part));
    const absent = await ready.queue.absentKeys();
    record(run, {
      kind: 'made',
      thing: { kind: 'queue-keys', queue: ready.queue.kind, queueName: ready.queue.queueName, absent },
    });
    await startFirstWorker(ready, opened);
    return ready;
  });
  const ids = await reserveIds(connected);
  const { observing, created, behind } = await inStep(run, 'job', async () => {
    const observer = await startObserving(connected, ids);
    opened.observer = observer;
    const started: Observing = { ...connected, observer };
    await checkEffectsQuery(connected, ids);
    if (settings.witnesses) await runEndedWitness(started, ids);
    return {
      observing: started,
      created: await createJob(connected, ids, 'subject'),
      behind: settings.witnesses ? await prepareWaitingWitness(started, ids) : null,
    };
  });
  const { subject, witness } = await inStep(run, 'trigger', async () => ({
    subject: await triggerJob(observing, created, ids),
    witness: behind === null ? null : await submitWaitingWitness(observing, ids, behind),
  }));
  const inFlight: InFlight = { ...observing, subject, witness };
  const broker = watchBroker(inFlight, subject);
  opened.broker = broker;

  const readiness = opened.workers === null ? null : await readyToStrike(inFlight, opened.workers);
  opened.readiness = readiness;
  const struck = await inStep(run, 'processing', () => awaitStrike(inFlight, broker));
  if (struck) {
    await inStep(run, 'restart', () => restart(inFlight, opened, broker));
    await readiness?.[Symbol.asyncDispose]();
    await inStep(run, 'monitor', async () => {
      const ended = await monitor(inFlight, broker);
      if (!ended) await opened.workers?.noteLateReady();
      if (ended && witness !== null) await awaitWaitingWitness(inFlight, witness);
    });
  }
  await inStep(run, 'results', async () => {
    await settle(inFlight, broker);
    if (witness !== null && !hasEnded(inFlight, witness.id)) await lookAtWitness(inFlight);
    await lookForLeftovers(inFlight);
    await countRows(inFlight);
    await countEffects(inFlight);
    await checkObservation(inFlight);
    await lookInArchive(inFlight);
    if (struck && needsControl(inFlight)) {
      await runControl(inFlight, ids);
      await lookInArchive(inFlight);
    }
    if (opened.workers !== null && isWorthATry(inFlight)) {
      await inFlight.observer[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
      await tryNextBoot(inFlight, opened.workers);
    }
  });
}

async function startFirstWorker(run: Connected, opened: Opened): Promise<void> {
  const { command } = run.settings.worker;
  if (!run.settings.autoRestart || command === null) return;
  const before = await consumerIds(run);
  const workers = new HarnessWorkers(run, command);
  opened.workers = workers;
  const first = await workers.start();
  const timeoutMs = run.settings.processingTimeoutMs;
  if (!(await workers.awaitReady(first, before, timeoutMs))) await workers.failNotReady(first, timeoutMs);
  await checkWorkers(run);
}

async function restart(run: InFlight, opened: Opened, broker: BrokerWatch): Promise<void> {
  const { stopCommand, startCommand } = run.settings.worker;
  if (opened.workers !== null && opened.readiness !== null) {
    return restartByHarness(run, opened.workers, broker, opened.readiness);
  }
  if (run.settings.autoRestart && stopCommand !== null && startCommand !== null) {
    return restartByCommands(run, broker, { stop: stopCommand, start: startCommand });
  }
  return restartByOperator(run, broker);
}

async function startEnvironment(
  run: RunContext,
  host: VerifyHost,
): Promise<{ readonly run: RunContext; readonly databaseUrl: string | null }> {
  if (host.environment === undefined) return { run, databaseUrl: run.settings.database.url };
  const urls = await host.environment.start({
    made: (thing) => record(run, { kind: 'made', thing }),
    removed: (thing) => record(run, { kind: 'removed', thing }),
    folder: run.temporaryFolder,
    signal: run.signal,
    tell: (text) => record(run, { kind: 'preflight:checked', check: 'environment', status: 'ok', text }),
  });
  const env = { ...run.settings.worker.env, ...urls.workerEnv };
  const settings: Settings = {
    ...run.settings,
    database: { url: urls.databaseUrl },
    queue: { ...run.settings.queue, url: urls.queueUrl },
    worker: {
      ...run.settings.worker,
      env,
      ...(urls.workerStartCommand === undefined ? {} : { startCommand: urls.workerStartCommand }),
    },
  };
  return { run: { ...run, settings }, databaseUrl: urls.databaseUrl };
}

async function openRun(settings: Settings, scenario: Scenario, host: VerifyHost): Promise<RunContext> {
  const startedAt = new Date();
  const id = newRunId(startedAt, randomBytes(3).toString('hex'));
  const folder = await makeRunFolder(settings.outputDir, id);
  const journal = join(folder, JOURNAL_FILE);
  const secrets = [...secretsOf(settings)];
  const redact = (text: string): string => redactText(text, secrets);
  const recorder = new Recorder({ file: journal, startedAtMs: startedAt.getTime(), redact });
  if (host.onEvent !== undefined) recorder.subscribe(host.onEvent);
  const temporaryFolder = join(tmpdir(), `verify-restart-${id}`);
  const run: RunContext = {
    id,
    suffix: id.replaceAll('-', '_'),
    settings,
    scenario,
    recorder,
    temporaryFolder,
    folder,
    signal: host.signal ?? new AbortController().signal,
    operator: settings.autoRestart ? null : (host.operator ?? null),
    redact,
    onSecret: (secret) => void secrets.push(secret),
    disarmed: host.disarmed ?? false,
  };
  const harness = await readProcess(process.pid);
  record(run, {
    kind: 'run:started',
    runId: id,
    toolVersion: host.toolVersion,
    startedAt: startedAt.toISOString(),
    scenario: scenario.name,
    polite: scenario.polite,
    strikeAt: describeStrikeAt(settings.strikeAt),
    restartBy: !settings.autoRestart ? 'operator' : settings.worker.command !== null ? 'auto' : 'command',
    target: {
      table:
        settings.database.url === null && host.environment === undefined
          ? `GET ${settings.queue.http?.status?.path ?? ''}`
          : settings.jobs.table,
      queue: settings.queue.kind,
      backend: backendOf(settings.queue),
      queueName: settings.queue.name,
      task: settings.queue.task,
      worker: settings.worker.command ?? settings.worker.startCommand ?? '',
      ...(host.environment === undefined ? addressesOf(settings) : {}),
    },
    files: settings.files,
    fileMode: settings.fileMode,
    terminalTimeoutMs: settings.terminalTimeoutMs,
    backoff: settings.backoff,
    levels: settings.criteria,
    journal: relative(process.cwd(), journal),
    ...(host.command === undefined ? {} : { command: host.command }),
    ...(harness === null ? {} : { harness: { pid: harness.pid, startToken: harness.startToken } }),
  });
  record(run, { kind: 'made', thing: { kind: 'folder', path: temporaryFolder } });
  await mkdir(temporaryFolder, { mode: 0o755 });
  return run;
}

function addressesOf({ database, queue }: Settings): {
  readonly database?: string;
  readonly broker?: string;
} {
  return {
    ...(database.url === null ? {} : { database: describeUrl(database.url) }),
    ...(queue.url === null ? {} : { broker: describeUrl(queue.url) }),
  };
}

/** Every credential in the settings, so that none can come out in an event, a log or a message. */
function secretsOf(settings: Settings): readonly string[] {
  const urls = [settings.database.url, settings.queue.url];
  const passwords = urls.flatMap((url) => {
    if (url === null || !URL.canParse(url)) return [];
    const { password } = new URL(url);
    return password === '' ? [] : [password, decodeURIComponent(password)];
  });
  const { http } = settings.queue;
  return [...passwords, ...(http === undefined ? [] : httpSecrets(http))];
}

function refuseUnsupported(settings: Settings, host: VerifyHost): void {
  if (settings.worker.replicas !== 1) {
    throw usageError(
      'replicas-not-available',
      `worker.replicas is ${settings.worker.replicas}: several workers at once are not available in this version`,
      'set worker.replicas to 1',
    );
  }
  if (!settings.autoRestart && host.operator === undefined) {
    throw usageError(
      'nobody-to-ask',
      'nobody can be asked to restart the worker',
      'set autoRestart, or give an operator',
    );
  }
}

/** @returns the user's error to print; `null` for an interruption or a bug */
function abort(run: RunContext, error: unknown): UserError | null {
  const text = error instanceof Error ? error.message : String(error);
  if (run.signal.aborted) {
    record(run, { kind: 'run:aborted', reason: 'interrupted', text: 'interrupted' });
    return null;
  }
  const expected = isUserError(error);
  record(run, { kind: 'run:aborted', reason: expected ? 'environment' : 'internal', text });
  return expected ? error : null;
}

async function cleanUp(
  run: RunContext,
  host: VerifyHost,
  opened: Opened,
): Promise<Pick<Verification, 'kept' | 'strangers'>> {
  const quietly = async (disposable: AsyncDisposable | null): Promise<void> => {
    try {
      await disposable?.[Symbol.asyncDispose]();
    } catch (error) {
      const text = `closing failed: ${error instanceof Error ? error.message : String(error)}`;
      record(run, { kind: 'note', code: 'close-failed', text });
    }
  };
  await quietly(opened.readiness);
  await quietly(opened.broker);
  await quietly(opened.workers);
  await quietly(opened.observer);
  const left = leftovers(run.recorder.events);
  const keepable = (kind: string): boolean =>
    run.settings.keep && (kind === 'row' || kind === 'message' || kind === 'queue-keys');
  for (const thing of left) {
    if (keepable(thing.kind)) record(run, { kind: 'kept', thing, reason: KEPT_ON_PURPOSE });
  }
  const servers = left.filter(
    (thing) => thing.kind === 'folder' || (thing.kind === 'process' && !/#\d+$/.test(thing.marker)),
  );
  const inServers = left.filter((thing) => !servers.includes(thing) && !keepable(thing.kind));
  const means = {
    database: opened.database,
    queue: opened.queue,
    record: (body: Parameters<typeof record>[1]) => void record(run, body),
  };
  const keptInServers = await removeThings(inServers, means);
  const strangers = await strangersLeft(run, opened);
  await quietly(opened.queue);
  await quietly(opened.database);
  await host.environment?.stop();
  const keptServers = await removeThings(
    leftovers(run.recorder.events).filter((thing) => servers.includes(thing)),
    means,
  );
  run.recorder.close();
  // What lay in a server of the run's own is gone with it.
  const goneWithServers = host.environment !== undefined && keptServers.length === 0;
  return { kept: goneWithServers ? [] : [...keptInServers, ...keptServers], strangers };
}
