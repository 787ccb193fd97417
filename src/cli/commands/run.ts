/** `verify-restart run`: one verification, or one a scenario with `--scenario all`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { loadSettings } from '../../config/load.ts';
import type { RawFlags } from '../../config/raw-flags.ts';
import type { Settings } from '../../config/settings.ts';
import { environmentError } from '../../core/errors.ts';
import { redactText } from '../../core/redact.ts';
import type { Report } from '../../core/report.ts';
import { SCENARIOS } from '../../core/scenario.ts';
import { renderJson } from '../../reporters/json.ts';
import type { Environment } from '../../verification/context.ts';
import { verify } from '../../verification/verify.ts';
import { openConsoleView, type ConsoleView } from '../console-view.ts';
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts';
import { watchInterruption, type Interruption } from '../interruption.ts';
import { packageVersion } from '../package-info.ts';
import { terminalOperator } from '../prompts.ts';

export async function runCommandLine(flags: RawFlags): Promise<ExitCode> {
  const settings = await loadSettings({ flags, env: process.env, cwd: process.cwd(), isTTY: isTerminal() });
  return runWithSettings(settings, flags, () => undefined);
}

/** A person can be asked only where both ends are a terminal. */
export function isTerminal(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY;
}

/** @param environmentFor servers of its own for each run, if any */
export async function runWithSettings(
  settings: Settings,
  flags: RawFlags,
  environmentFor: () => Environment | undefined,
): Promise<ExitCode> {
  const view = openConsoleView({
    stream: consoleStream(settings),
    colour: flags.color !== false && !process.env['NO_COLOR'],
    verbosity: settings.reporters.some(({ name }) => name === 'console') ? settings.verbosity : 'quiet',
    repeatCommand: repeatCommand(),
  });
  using interruption = watchInterruption((line) => view.say(line));
  const scenarios = settings.scenario === 'all' ? Object.keys(SCENARIOS) : [settings.scenario];
  const reports: Report[] = [];
  const codes: ExitCode[] = [];
  for (const scenario of scenarios) {
    const { report, code } = await runOnce({ ...settings, scenario }, view, interruption, environmentFor());
    reports.push(report);
    codes.push(code);
    if (report.verdict === 'error') break;
  }
  const exitCode = worst(codes);
  await writeReports(settings, reports, exitCode);
  return exitCode;
}

async function runOnce(
  settings: Settings,
  view: ConsoleView,
  interruption: Interruption,
  environment: Environment | undefined,
): Promise<{ readonly report: Report; readonly code: ExitCode }> {
  const showsConsole = settings.reporters.some(({ name, path }) => name === 'console' && path === null);
  try {
    const { report, problem, kept } = await verify(settings, {
      toolVersion: packageVersion(),
      signal: interruption.signal,
      operator: terminalOperator(view, interruption),
      onEvent: view.onEvent,
      onJudged: (judged) => {
        if (showsConsole && judged.verdict !== 'error') view.onJudged(judged);
      },
      ...(environment === undefined ? {} : { environment }),
      disarmed: process.env['VERIFY_RESTART_DISARMED'] === '1',
    });
    view.stop();
    if (problem !== null) {
      console.error(`error: ${problem.message}`);
      if (problem.remedy !== undefined) console.error(`       ${problem.remedy}`);
    }
    for (const thing of kept)
      console.error(`warning: could not be removed: ${thing}; try verify-restart cleanup`);
    const problemCode = problem?.kind === 'usage' ? EXIT_CODES.usage : EXIT_CODES.environment;
    return { report, code: interruption.exitCode() ?? (problem === null ? codeOf(report) : problemCode) };
  } finally {
    view.stop();
  }
}

function codeOf(report: Report): ExitCode {
  switch (report.verdict) {
    case 'passed':
      return EXIT_CODES.verified;
    case 'failed':
      return EXIT_CODES.notVerified;
    case 'inconclusive':
      return EXIT_CODES.inconclusive;
    case 'error':
      return EXIT_CODES.internal;
  }
}

/** Several runs in one: an interruption or an environment that was not ready first, then failed, then inconclusive. */
function worst(codes: readonly ExitCode[]): ExitCode {
  const order: readonly ExitCode[] = [130, 143, 5, 2, 3, 1, 4];
  return order.find((code) => codes.includes(code)) ?? EXIT_CODES.verified;
}

/** Standard output belongs to a machine-readable report where one is written there. */
function consoleStream(settings: Settings): NodeJS.WriteStream {
  const machine = settings.reporters.some(({ name, path }) => name !== 'console' && path === null);
  return machine ? process.stderr : process.stdout;
}

async function writeReports(
  settings: Settings,
  reports: readonly Report[],
  exitCode: ExitCode,
): Promise<void> {
  for (const { name, path } of settings.reporters) {
    if (name !== 'json') continue;
    const text = renderJson(reports, exitCode);
    if (path === null) await writeOut(text);
    else await writeReportFile(path, text);
  }
}

/** Resolves when the text has left the process, so that a pipe gets all of it. */
function writeOut(text: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(text, () => resolve());
  });
}

async function writeReportFile(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  } catch (error) {
    throw environmentError(
      'report-not-written',
      `the report cannot be written to ${path}: ${error instanceof Error ? error.message : String(error)}`,
      'name another path: --reporter json=<path>',
      error,
    );
  }
}

/** The call as it was typed, credentials masked. */
function repeatCommand(): string {
  const words = ['npx', 'verify-restart', ...process.argv.slice(2)];
  return redactText(
    words
      .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
      .join(' '),
  );
}
