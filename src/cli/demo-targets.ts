/** What the demo can verify: the bundled targets, each with its worker's command and what it is said to be. */
import { BROKEN_BULLMQ } from '../../fixtures/broken-workers/defects/bullmq.ts';
import { BROKEN_CELERY, celeryApp } from '../../fixtures/broken-workers/defects/celery.ts';
import type { BrokenWorker } from '../../fixtures/broken-workers/defects/defect.ts';
import { BROKEN_TABLE } from '../../fixtures/broken-workers/defects/table.ts';
import { TABLE_SERVICE } from '../../fixtures/table-service/columns.ts';
import type { UserConfig } from '../config/define-config.ts';
import { likest, parseChoice } from '../config/choice.ts';
import { mergeConfigs } from '../config/merge-configs.ts';
import { environmentError, usageError } from '../core/errors.ts';
import { findCeleryPython, PYTHON_PACKAGES } from '../embedded/python.ts';
import { BROKEN_WORKERS, LIST_BROKEN } from './broken-list.ts';
import { packagePath } from './package-info.ts';
import { quote } from './shell-words.ts';

export interface DemoChoice {
  /** Where BullMQ keeps its queue. */
  readonly backend: 'redis' | 'postgres';
  /** One of the target's broken workers; `null`: the sound one. */
  readonly broken: string | null;
  /** A person restarts the worker. */
  readonly interactive: boolean;
}

export interface DemoTarget {
  readonly queue: NonNullable<UserConfig['queue']>;
  readonly workerCommand: string;
  readonly needsRedis: boolean;
  /** What the worker is told besides DATABASE_URL, given the broker's URL. */
  readonly workerEnv: (brokerUrl: string) => Readonly<Record<string, string>>;
  readonly brokerUrl: (redisUrl: string) => string;
  readonly needsBullmqSchema: boolean;
  /** Which of the bundled services its tables are those of. */
  readonly service: 'extraction-service' | 'table-service';
  /** SQL that a broken worker needs besides. */
  readonly setup: string | null;
  readonly readyPattern: RegExp;
  /** Settings that a demo has quicker than anybody's system, and what is wrong with a broken worker. */
  readonly settings: string;
  /** What shows the defect of a broken worker; empty for the sound one. */
  readonly config: UserConfig;
}

/** Stands in until the server is there: a loopback address, so that nothing else can be meant. */
const PLACEHOLDER_REDIS = 'redis://127.0.0.1:1';

/** BullMQ's defaults are 30 s each: a demo of a minute would show the same. Said in the demo's output. */
const LOCK_MS = 1_000;
const STALLED_INTERVAL_MS = 500;
const ITEM_MS = 200;

/** Less than a worker takes to start, so that the new one finds due what the old one had; the default is an hour. */
const VISIBILITY_S = 0.1;
const CELERY_ITEM_MS = 500;

/** Longer than a worker takes to renew it, and short enough that a successor need not wait. */
const LEASE_MS = 1_000;

/** A row with a lease is not held: half a minute of work gives a person the time to find the other terminal. */
const UNHELD_ITEM_MS = 3_000;
const UNHELD: UserConfig = { files: 12, terminalTimeout: '60s' };

const DEMO_TARGETS = ['bullmq', 'celery', 'table'] as const;

type DemoTargetName = (typeof DEMO_TARGETS)[number];

const TARGETS: Readonly<Record<DemoTargetName, (choice: DemoChoice) => Promise<DemoTarget>>> = {
  bullmq: bullmqTarget,
  celery: celeryTarget,
  table: tableTarget,
};

/** What is lost stays lost: a demo of it need not wait for two minutes. */
const TERMINAL_TIMEOUT = '15s';

/** @throws UserError `unknown-value` for a name that is none; `celery-missing` where Python's packages are not there */
export async function demoTarget(name: string, choice: DemoChoice): Promise<DemoTarget> {
  return TARGETS[demoTargetName(name)](choice);
}

/** @throws UserError `unknown-value` for a name that is none */
export function demoTargetName(name: string): DemoTargetName {
  return parseChoice(name, DEMO_TARGETS, '--target');
}

function bullmqTarget({ backend, broken }: DemoChoice): Promise<DemoTarget> {
  const defect = broken === null ? null : findBroken('bullmq', broken, BROKEN_BULLMQ);
  if (defect?.backend !== undefined && defect.backend !== backend) {
    throw usageError(
      'unknown-value',
      `--broken ${defect.name} is shown on ${defect.backend} only`,
      `add --queue-backend ${defect.backend}`,
    );
  }
  const worker =
    defect === null
      ? packagePath('dist', 'fixtures', 'extraction-service', 'worker.js')
      : packagePath('dist', 'fixtures', 'broken-workers', 'bullmq', `${defect.worker ?? defect.name}.js`);
  const options = [
    `--backend ${backend} --lock-duration ${LOCK_MS} --stalled-interval ${STALLED_INTERVAL_MS} --item-ms ${ITEM_MS}`,
    ...(defect?.flags ?? []),
  ].join(' ');
  return Promise.resolve({
    queue: { kind: 'bullmq', backend, ...(backend === 'redis' ? { url: PLACEHOLDER_REDIS } : {}) },
    workerCommand: `exec ${quote(process.execPath)} ${quote(worker)} ${options}`,
    needsRedis: backend === 'redis',
    workerEnv: (brokerUrl): Readonly<Record<string, string>> =>
      backend === 'redis' ? { REDIS_URL: brokerUrl } : {},
    brokerUrl: (redisUrl) => redisUrl,
    needsBullmqSchema: backend === 'postgres',
    service: 'extraction-service',
    setup: defect?.setup ?? null,
    readyPattern: /ready/,
    settings: withDefect(
      `BullMQ with lockDuration ${LOCK_MS} ms and stalledInterval ${STALLED_INTERVAL_MS} ms`,
      defect,
    ),
    config: configOf(defect),
  });
}

async function celeryTarget({ broken }: DemoChoice): Promise<DemoTarget> {
  const defect = broken === null ? null : findBroken('celery', broken, BROKEN_CELERY);
  const python = await findCeleryPython();
  if (python === null) {
    throw environmentError(
      'celery-missing',
      'the Celery target needs Python with celery, redis, psycopg2 and pypdf, which are not all here',
      `on Debian and Ubuntu: ${PYTHON_PACKAGES}; elsewhere: pip install "celery[redis]" psycopg2-binary pypdf`,
    );
  }
  const { folder, app } = celeryApp(defect?.worker ?? 'celery-service/app');
  // Without mingle, gossip and heartbeat a worker starts a second sooner; the rest is as everybody has it.
  const options = [
    '-l INFO -c 1 --prefetch-multiplier 4 --without-mingle --without-gossip --without-heartbeat',
    ...(defect?.flags ?? []),
  ].join(' ');
  return {
    queue: { kind: 'celery', url: `${PLACEHOLDER_REDIS}/1` },
    workerCommand: `exec ${quote(python)} -m celery --workdir ${quote(packagePath('fixtures', folder))} -A ${app} worker ${options}`,
    needsRedis: true,
    workerEnv: (brokerUrl) => ({
      CELERY_BROKER_URL: brokerUrl,
      CELERY_VISIBILITY_TIMEOUT: String(VISIBILITY_S),
      EXTRACTION_ITEM_MS: String(CELERY_ITEM_MS),
      PYTHONDONTWRITEBYTECODE: '1',
      // The broken workers import the sound one.
      PYTHONPATH: packagePath('fixtures', 'celery-service'),
    }),
    brokerUrl: (redisUrl) => `${redisUrl}/1`,
    needsBullmqSchema: false,
    service: 'extraction-service',
    setup: defect?.setup ?? null,
    readyPattern: / ready\.$/,
    settings: withDefect(
      `Celery with visibility_timeout ${VISIBILITY_S} s, so that a new worker finds the job due when it starts`,
      defect,
    ),
    config: configOf(defect),
  };
}

/** A job table that is its own queue: nothing else is needed. */
function tableTarget({ broken, interactive }: DemoChoice): Promise<DemoTarget> {
  const defect = broken === null ? null : findBroken('table', broken, BROKEN_TABLE);
  const worker =
    defect === null
      ? packagePath('dist', 'fixtures', 'table-service', 'worker.js')
      : packagePath('dist', 'fixtures', 'broken-workers', 'table', `${defect.worker ?? defect.name}.js`);
  // What is shown by the time that an item takes keeps it.
  const slow = interactive && defect?.flags?.includes('--item-ms') !== true;
  const options = [
    `--item-ms ${slow ? UNHELD_ITEM_MS : ITEM_MS} --lease-ms ${LEASE_MS} --poll-ms 50 --backoff-ms 1000`,
    ...(defect?.flags ?? []),
  ].join(' ');
  return Promise.resolve({
    queue: { kind: 'none' },
    workerCommand: `exec ${quote(process.execPath)} ${quote(worker)} ${options}`,
    needsRedis: false,
    workerEnv: () => ({}),
    brokerUrl: (redisUrl) => redisUrl,
    needsBullmqSchema: false,
    service: 'table-service',
    setup: defect?.setup ?? null,
    readyPattern: /ready/,
    settings: withDefect(`a job table with a lease of ${LEASE_MS} ms`, defect),
    config: mergeConfigs(TABLE_SERVICE, configOf(defect), slow ? UNHELD : {}),
  });
}

/** @throws UserError `unknown-value`, with the nearest names and the command that lists all */
function findBroken<Listed extends BrokenWorker>(
  target: DemoTargetName,
  name: string,
  listed: readonly Listed[],
): Listed {
  const found = listed.find((each) => each.name === name);
  if (found !== undefined) return found;
  const others = Object.entries(BROKEN_WORKERS).filter(([, workers]) =>
    workers.some((each) => each.name === name),
  );
  if (others.length > 0) {
    throw usageError(
      'unknown-value',
      `--broken ${name} is no worker of the target ${target}`,
      `use ${others.map(([other]) => `--target ${other}`).join(' or ')}`,
    );
  }
  const alike = likest(
    name,
    listed.map((each) => each.name),
  );
  const all = `verify-restart demo${target === 'bullmq' ? '' : ` --target ${target}`} --broken ${LIST_BROKEN}`;
  throw usageError(
    'unknown-value',
    `--broken is ${JSON.stringify(name)}, which is none of the broken workers`,
    `${alike.length === 0 ? '' : `did you mean ${alike.map((each) => JSON.stringify(each)).join(', ')}? `}all of them: ${all}`,
  );
}

function withDefect(settings: string, defect: BrokenWorker | null): string {
  return defect === null ? settings : `${settings}; broken worker ${defect.name}: ${defect.note}`;
}

function configOf(defect: BrokenWorker | null): UserConfig {
  if (defect === null) return {};
  const { scenario, strikeAt, config = {} } = defect;
  return mergeConfigs({ terminalTimeout: TERMINAL_TIMEOUT }, config, { scenario, strikeAt });
}
