/** Settings of the run itself: everything that is not the table, the queue or the worker. */
import path from 'node:path';
import { usageError } from '../core/errors.ts';
import type { CriterionLevel } from '../core/event.ts';
import { parseChoice } from './choice.ts';
import { DEFAULTS } from './defaults.ts';
import { parseDuration, parseTimeout } from './durations.ts';
import { fromConfig, fromFlag, read } from './given.ts';
import type { Given, Sources } from './given.ts';
import { parseCount } from './numbers.ts';
import { parseReporters } from './reporter-list.ts';
import type { ReporterSetting, Settings } from './settings.ts';
import { parseStrikeAt } from './strike-at.ts';

const MOST_FILES = 1_000;
const MOST_REPEATS = 10_000;

type RunSettings = Pick<
  Settings,
  | 'autoRestart'
  | 'strikeAt'
  | 'files'
  | 'fileMode'
  | 'processingTimeoutMs'
  | 'terminalTimeoutMs'
  | 'settle'
  | 'witnesses'
  | 'control'
  | 'observe'
  | 'hold'
  | 'repeat'
  | 'reporters'
  | 'outputDir'
  | 'keep'
  | 'allowRemote'
  | 'verbosity'
  | 'criteria'
  | 'effectsSql'
  | 'backoff'
>;

/** @throws UserError of the values' own parsers; `quiet-and-verbose`. */
export function runSettings(sources: Sources): RunSettings {
  const { flags, config } = sources;
  const given = <F, C>(flag: string, byFlag: F | undefined, key: string, byConfig: C | undefined) =>
    fromFlag<F | C>(sources, flag, byFlag) ?? fromConfig<F | C>(sources, key, byConfig);
  const yes = (value: boolean): boolean => value;

  return {
    autoRestart: read(
      given('--auto-restart', flags.autoRestart, 'autoRestart', config.autoRestart),
      yes,
      false,
    ),
    strikeAt: read(given('--strike-at', flags.strikeAt, 'strikeAt', config.strikeAt), parseStrikeAt, {
      kind: DEFAULTS.strikeAt,
    }),
    files: read(
      given('--files', flags.files, 'files', config.files),
      (value, from) => parseCount(value, from, { least: 1, most: MOST_FILES }),
      DEFAULTS.files,
    ),
    fileMode: read(
      given('--file-mode', flags.fileMode, 'fileMode', config.fileMode),
      (value, from) => parseChoice(value, ['valid', 'missing'], from),
      DEFAULTS.fileMode,
    ),
    processingTimeoutMs: read(
      given('--processing-timeout', flags.processingTimeout, 'processingTimeout', config.processingTimeout),
      parseTimeout,
      parseTimeout(DEFAULTS.processingTimeout, 'the default'),
    ),
    terminalTimeoutMs: read(
      given('--terminal-timeout', flags.terminalTimeout, 'terminalTimeout', config.terminalTimeout),
      parseTimeout,
      parseTimeout(DEFAULTS.terminalTimeout, 'the default'),
    ),
    settle: read(
      given('--settle', flags.settle, 'settle', config.settle),
      (value, from) => (value === 'auto' ? 'auto' : parseDuration(value, from)),
      DEFAULTS.settle,
    ),
    witnesses: read(given('--witnesses', flags.witnesses, 'witnesses', config.witnesses), yes, true),
    control: read(
      given('--control', flags.control, 'control', config.control),
      (value, from) => parseChoice(value, ['auto', 'always', 'off'], from),
      DEFAULTS.control,
    ),
    observe: read(
      given('--observe', flags.observe, 'observe', config.observe),
      (value, from) => parseChoice(value, ['auto', 'trigger', 'poll'], from),
      DEFAULTS.observe,
    ),
    hold: read(given('--hold', flags.hold, 'hold', config.hold), parseHold, 'auto'),
    repeat: read(given('--repeat', flags.repeat, 'repeat', config.repeat), parseRepeat, DEFAULTS.repeat),
    reporters: reporters(sources),
    outputDir: outputFolder(sources),
    keep: read(given('--keep', flags.keep, 'keep', config.keep), yes, false),
    allowRemote: read(
      given('--allow-remote', flags.allowRemote, 'allowRemote', config.allowRemote),
      yes,
      false,
    ),
    verbosity: verbosity(sources),
    criteria: criteria(sources),
    effectsSql: config.effects?.sql ?? null,
    backoff: backoff(sources),
  };
}

function backoff({ config, configName }: Sources): Settings['backoff'] {
  if (config.retries === undefined) return null;
  const { baseDelay, factor } = config.retries;
  return { baseMs: parseDuration(baseDelay, `retries.baseDelay in ${configName}`), factor: factor ?? 2 };
}

function parseHold(value: boolean | 'auto'): Settings['hold'] {
  return value === 'auto' ? 'auto' : value ? 'on' : 'off';
}

function parseRepeat(value: string | number, from: string): number {
  return parseCount(value, from, { least: 1, most: MOST_REPEATS });
}

function reporters(sources: Sources): readonly ReporterSetting[] {
  const flag = fromFlag(sources, '--reporter', sources.flags.reporter?.split(','));
  const given: Given<readonly string[]> = flag ??
    fromConfig<readonly string[]>(sources, 'reporters', sources.config.reporters) ?? {
      value: [DEFAULTS.reporter],
      from: 'the default',
      folder: sources.cwd,
    };
  return parseReporters(given.value, given.from, given.folder);
}

/** By default beside the config file, so that runs from any folder of a project lie together and are found again. */
function outputFolder(sources: Sources): string {
  const given =
    fromFlag(sources, '--output-dir', sources.flags.outputDir) ??
    fromConfig(sources, 'outputDir', sources.config.outputDir);
  if (given?.value.trim() === '') {
    throw usageError('invalid-folder', `${given.from} is empty`, 'give a folder, or leave the option out');
  }
  return path.resolve(given?.folder ?? sources.configFolder, given?.value ?? DEFAULTS.outputDir);
}

function verbosity(sources: Sources): Settings['verbosity'] {
  const { quiet = false, verbose = false } = sources.flags;
  if (quiet && verbose) {
    throw usageError(
      'quiet-and-verbose',
      '-q and -v are both given and ask for opposites',
      'give one of them',
    );
  }
  return quiet ? 'quiet' : verbose ? 'verbose' : 'normal';
}

function criteria(sources: Sources): Readonly<Record<string, CriterionLevel>> {
  const levels: Record<string, CriterionLevel> = {};
  for (const [id, level] of Object.entries(sources.config.criteria ?? {})) {
    if (level !== undefined) levels[id] = level;
  }
  return levels;
}
