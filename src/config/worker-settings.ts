/** Settings of the worker: how it is started and stopped. */
import path from 'node:path';
import { usageError } from '../core/errors.ts';
import { DEFAULTS } from './defaults.ts';
import { parseDuration } from './durations.ts';
import { fromConfig, fromFlag, read } from './given.ts';
import type { Given, Sources } from './given.ts';
import { parseCount } from './numbers.ts';
import { parsePattern } from './patterns.ts';
import type { WorkerSettings } from './settings.ts';

const MOST_REPLICAS = 100;

interface Commands {
  readonly command: Given<string> | undefined;
  readonly stop: Given<string> | undefined;
  readonly start: Given<string> | undefined;
}

/** @throws UserError `worker-twice`, `worker-half`, `invalid-command` and those of the values' own parsers. */
export function workerSettings(sources: Sources): WorkerSettings {
  const worker = sources.config.worker ?? {};
  const { command, stop, start } = commands(sources);
  const cwd = fromConfig(sources, 'worker.cwd', worker.cwd);
  // A command is written for the folder of whoever wrote it: the config file's, or the one the flag was typed in.
  const folder = (command ?? start)?.folder ?? sources.configFolder;
  return {
    command: command?.value ?? null,
    stopCommand: stop?.value ?? null,
    startCommand: start?.value ?? null,
    replicas: read(
      fromConfig(sources, 'worker.replicas', worker.replicas),
      (value, from) => parseCount(value, from, { least: 1, most: MOST_REPLICAS }),
      1,
    ),
    env: texts(worker.env ?? {}),
    cwd: cwd === undefined ? folder : path.resolve(cwd.folder, cwd.value),
    readyPattern: read<string | RegExp, RegExp | null>(
      fromFlag(sources, '--worker-ready', sources.flags.workerReady) ??
        fromConfig(sources, 'worker.readyPattern', worker.readyPattern),
      parsePattern,
      null,
    ),
    stopGraceMs: read(
      fromConfig(sources, 'worker.stopGrace', worker.stopGrace),
      parseDuration,
      parseDuration(DEFAULTS.stopGrace, 'the default'),
    ),
  };
}

/** `--worker` and the pair of `--worker-stop` and `--worker-start` exclude each other; flags replace either of a file. */
function commands(sources: Sources): Commands {
  const { flags, config } = sources;
  const byFlag: Commands = {
    command: fromFlag(sources, '--worker', flags.worker),
    stop: fromFlag(sources, '--worker-stop', flags.workerStop),
    start: fromFlag(sources, '--worker-start', flags.workerStart),
  };
  const byConfig: Commands = {
    command: fromConfig(sources, 'worker.command', config.worker?.command),
    stop: fromConfig(sources, 'worker.stopCommand', config.worker?.stopCommand),
    start: fromConfig(sources, 'worker.startCommand', config.worker?.startCommand),
  };
  for (const { command, stop, start } of [byFlag, byConfig]) {
    const pair = stop ?? start;
    if (command !== undefined && pair !== undefined) {
      throw usageError(
        'worker-twice',
        `${command.from} and ${pair.from} both say how the worker is run`,
        'give --worker for a worker that verify-restart starts itself, --worker-stop and --worker-start for one that something else runs',
      );
    }
  }
  const chosen: Commands =
    byFlag.command !== undefined
      ? byFlag
      : byFlag.stop !== undefined || byFlag.start !== undefined
        ? { command: undefined, stop: byFlag.stop ?? byConfig.stop, start: byFlag.start ?? byConfig.start }
        : byConfig;
  for (const given of [chosen.command, chosen.stop, chosen.start]) {
    if (given !== undefined && given.value.trim() === '') {
      throw usageError('invalid-command', `${given.from} is empty`, 'give a shell command');
    }
  }
  if ((chosen.stop === undefined) !== (chosen.start === undefined)) {
    throw usageError(
      'worker-half',
      `${(chosen.stop ?? chosen.start)?.from ?? ''} is given without its other half`,
      "give both, such as --worker-stop 'docker compose kill worker' --worker-start 'docker compose up -d worker'",
    );
  }
  return chosen;
}

function texts(env: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}
