/** Runs one of the user's own commands (stop, start) and records how it ended. Its exit code proves nothing. */
import { execa } from 'execa';
import { environmentError } from '../core/errors.ts';
import type { RunContext } from './context.ts';

const COMMAND_TIMEOUT_MS = 120_000;

/** @throws UserError `command-failed` when it exits with another code than 0 or takes too long */
export async function runCommand(run: RunContext, command: string, option: string): Promise<void> {
  const result = await execa(command, {
    shell: true,
    cwd: run.settings.worker.cwd,
    stdin: 'ignore',
    reject: false,
    timeout: COMMAND_TIMEOUT_MS,
    all: true,
    cancelSignal: run.signal,
  });
  run.signal.throwIfAborted();
  const said = run.redact((result.all ?? '').trim().split('\n').slice(-3).join(' | '));
  if (result.failed) {
    const how = result.timedOut
      ? `took longer than ${COMMAND_TIMEOUT_MS / 1000} s`
      : `exit code ${result.exitCode ?? 'none'}`;
    throw environmentError(
      'command-failed',
      `the command of ${option} failed (${how}): ${said === '' ? 'it printed nothing' : said}`,
      `correct it: ${run.redact(command)}`,
    );
  }
}
