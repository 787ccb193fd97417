/** `verify-restart demo`: one verification on servers of its own and the bundled worker. */
import { loadSettings } from '../../config/load.ts';
import type { UserConfig } from '../../config/define-config.ts';
import { mergeConfigs } from '../../config/merge-configs.ts';
import type { RawFlags } from '../../config/raw-flags.ts';
import { LIST_BROKEN, listBroken } from '../broken-list.ts';
import { DEMO_EFFECTS, demoEnvironment } from '../demo-environment.ts';
import { demoTarget, demoTargetName } from '../demo-targets.ts';
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts';
import { isTerminal, runWithSettings } from './run.ts';

/** Stands in until the server is there: a loopback address, so that nothing else can be meant. */
const PLACEHOLDER_DATABASE = 'postgres://127.0.0.1:1/postgres';

export interface DemoOptions {
  /** Which bundled target; `null`: none was named. */
  readonly target: string | null;
  readonly broken: string | null;
  /** A person restarts the worker. */
  readonly interactive: boolean;
}

export async function runDemo(flags: RawFlags, options: DemoOptions): Promise<ExitCode> {
  const { interactive, broken } = options;
  if (broken === LIST_BROKEN) {
    console.log(listBroken(options.target === null ? null : demoTargetName(options.target)));
    return EXIT_CODES.verified;
  }
  const backend = flags.queueBackend === 'redis' ? 'redis' : 'postgres';
  const target = await demoTarget(options.target ?? 'bullmq', { backend, broken, interactive });
  const own: UserConfig = {
    database: { url: PLACEHOLDER_DATABASE },
    queue: target.queue,
    worker: { command: target.workerCommand },
    effects: { sql: DEMO_EFFECTS },
    retries: { baseDelay: '1s' },
    autoRestart: !interactive,
  };
  const settings = await loadSettings({
    flags,
    env: process.env,
    cwd: process.cwd(),
    isTTY: isTerminal(),
    demo: mergeConfigs(own, target.config),
  });
  const workerEnv = settings.worker.env;
  return runWithSettings(settings, flags, () => demoEnvironment({ target, interactive, workerEnv }));
}
