/** `verify-restart demo`: one verification on servers of its own and the bundled worker. */
import { loadSettings } from '../../config/load.ts';
import type { UserConfig } from '../../config/define-config.ts';
import type { RawFlags } from '../../config/raw-flags.ts';
import { DEMO_EFFECTS, demoEnvironment, demoWorkerCommand } from '../demo-environment.ts';
import type { ExitCode } from '../exit-codes.ts';
import { isTerminal, runWithSettings } from './run.ts';

/** Stand in until the servers are there: a loopback address, so that nothing else can be meant. */
const PLACEHOLDER_DATABASE = 'postgres://127.0.0.1:1/postgres';
const PLACEHOLDER_REDIS = 'redis://127.0.0.1:1';

export async function runDemo(flags: RawFlags, interactive: boolean): Promise<ExitCode> {
  const backend = flags.queueBackend === 'redis' ? 'redis' : 'postgres';
  const demo: UserConfig = {
    database: { url: PLACEHOLDER_DATABASE },
    queue: { kind: 'bullmq', backend, ...(backend === 'redis' ? { url: PLACEHOLDER_REDIS } : {}) },
    worker: { command: demoWorkerCommand(backend) },
    effects: { sql: DEMO_EFFECTS },
    retries: { baseDelay: '1s' },
    autoRestart: !interactive,
  };
  const settings = await loadSettings({
    flags,
    env: process.env,
    cwd: process.cwd(),
    isTTY: isTerminal(),
    demo,
  });
  return runWithSettings(settings, flags, () => demoEnvironment({ backend, interactive }));
}
