/** Makes the settings of a run: flags beat the environment, that beats the config file, that beats the defaults. */
import path from 'node:path';
import { usageError } from '../core/errors.ts';
import { AVAILABLE_QUEUES, notAvailable } from './available.ts';
import type { UserConfig } from './define-config.ts';
import { readVariables } from './environment.ts';
import type { Environment } from './environment.ts';
import type { Sources } from './given.ts';
import { jobSettings } from './job-settings.ts';
import { databaseUrl, noDatabaseUrl, queueKind, queueSettings } from './queue-settings.ts';
import { checkHttpRun, loginUrl } from './http-settings.ts';
import type { RawFlags } from './raw-flags.ts';
import { checkRestart, refuseRemote } from './rules.ts';
import { runSettings } from './run-settings.ts';
import { chosenScenario, userScenarios } from './scenario-settings.ts';
import type { Settings } from './settings.ts';
import { workerSettings } from './worker-settings.ts';

export interface SettingsInput {
  readonly flags: RawFlags;
  /** The process environment. */
  readonly env: Environment;
  /** Absolute. */
  readonly cwd: string;
  /** Whether a person can be asked: standard input and output are a terminal. */
  readonly isTTY: boolean;
  /**
   * The bundled target, in place of environment, `.env` and config file, none of which is read then: the demo must
   * never reach a system of the user's. Flags still beat it, except those that name another target.
   */
  readonly demo?: UserConfig;
  /**
   * `run` (default): all rules of a run. `maintenance`: for commands that restart nothing (cleanup, doctor, …): no
   * rule about restarting, and a missing database URL leaves `database.url` null.
   */
  readonly purpose?: 'run' | 'maintenance';
}

/**
 * Nothing is touched: files are read and names resolved, no server is spoken to.
 *
 * @throws UserError of kind `usage`, naming the option, where it was set, its value unless secret, and the remedy.
 */
export async function loadSettings(input: SettingsInput): Promise<Settings> {
  const { sources, configFile } = await gather(input);

  const kind = queueKind(sources);
  if (!AVAILABLE_QUEUES.includes(kind.value)) throw notAvailable(kind.from, kind.value, AVAILABLE_QUEUES);
  const run = runSettings(sources);
  const scenarios = userScenarios(sources);
  const scenario = chosenScenario(sources, scenarios);
  const jobs = jobSettings(sources);
  const worker = workerSettings(sources);
  const database = databaseUrl(sources);
  const { queue, url: queueUrl } = queueSettings(sources, kind.value, database);

  if (input.purpose !== 'maintenance') {
    checkRestart({ autoRestart: run.autoRestart, worker }, input.env, input.isTTY);
    if (queue.http !== undefined) checkHttpRun(queue.http, { ...run, worker }, database !== undefined);
    else if (database === undefined) throw noDatabaseUrl();
  }
  if (!run.allowRemote) await refuseRemote([database, queueUrl, loginUrl(sources, queue)]);

  return {
    ...run,
    database: { url: database?.value ?? null },
    jobs,
    queue,
    worker,
    scenarios,
    scenario,
    configFile,
  };
}

async function gather(
  input: SettingsInput,
): Promise<{ readonly sources: Sources; readonly configFile: string | null }> {
  const { flags, env, cwd, demo } = input;
  if (demo !== undefined) {
    refuseOtherTarget(flags);
    const sources = {
      flags,
      variables: {},
      config: demo,
      configName: 'the demo',
      configFolder: cwd,
      cwd,
      env: {},
    };
    return { sources, configFile: null };
  }
  const variables = await readVariables(env, cwd);
  const { loadConfigFile } = await import('./config-file.ts');
  const file = await loadConfigFile(flags.config, cwd);
  if (file === null) {
    const sources = {
      flags,
      variables,
      config: {},
      configName: 'no config file',
      configFolder: cwd,
      cwd,
      env,
    };
    return { sources, configFile: null };
  }
  // The schema's library is only loaded where there is something to check.
  const { checkConfig } = await import('./schema-issues.ts');
  const config = checkConfig(file.value, file.name);
  const configFolder = path.dirname(file.path);
  const sources = { flags, variables, config, configName: file.name, configFolder, cwd, env };
  return { sources, configFile: file.path };
}

const TARGET_FLAGS = {
  config: '--config',
  databaseUrl: '--database-url',
  table: '--table',
  queue: '--queue',
  queueName: '--queue-name',
  task: '--task',
  brokerUrl: '--broker-url',
  worker: '--worker',
  workerStop: '--worker-stop',
  workerStart: '--worker-start',
  workerReady: '--worker-ready',
} as const satisfies Partial<Record<keyof RawFlags, string>>;

function refuseOtherTarget(flags: RawFlags): void {
  for (const [name, flag] of Object.entries(TARGET_FLAGS)) {
    if (!Object.hasOwn(flags, name)) continue;
    throw usageError(
      'demo-target',
      `${flag} cannot be used with the demo, which brings a target of its own`,
      `leave ${flag} out, or use verify-restart run for your own system`,
    );
  }
}
