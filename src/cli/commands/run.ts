/** `verify-restart run`: one verification, or one a scenario with `--scenario all`. */
import { loadSettings } from '../../config/load.ts';
import type { RawFlags } from '../../config/raw-flags.ts';
import type { Settings } from '../../config/settings.ts';
import { redactText } from '../../core/redact.ts';
import { repeated, type Repeated } from '../../core/repeat.ts';
import type { Report } from '../../core/report.ts';
import { SCENARIOS } from '../../core/scenario.ts';
import { describeRepeated } from '../../reporters/console/repeated.ts';
import { renderJson } from '../../reporters/json.ts';
import { describeThing } from '../../reporters/thing-words.ts';
import type { Environment } from '../../verification/context.ts';
import { verify } from '../../verification/verify.ts';
import { complain } from '../complaint.ts';
import { openConsoleView, type ConsoleView } from '../console-view.ts';
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts';
import { watchInterruption, type Interruption } from '../interruption.ts';
import { packageVersion } from '../package-info.ts';
import { terminalOperator } from '../prompts.ts';
import { refuseUnwritable, writeReportFile } from '../report-file.ts';

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
  await refuseUnwritable(settings.reporters.map(({ path }) => path).filter((path) => path !== null));
  const view = openConsoleView({
    stream: consoleStream(settings),
    colour: flags.color !== false && !process.env['NO_COLOR'],
    verbosity: settings.reporters.some(({ name }) => name === 'console') ? settings.verbosity : 'quiet',
  });
  using interruption = watchInterruption((line) => view.say(line));
  const runs = plan(settings);
  const reports: Report[] = [];
  const codes: ExitCode[] = [];
  for (const { scenario, told } of runs) {
    const one = { ...settings, scenario };
    const { report, code } = await runOnce(one, view, told, interruption, environmentFor());
    reports.push(report);
    codes.push(code);
    if (report.verdict === 'error') break;
  }
  const exitCode = worst(codes);
  const passed = reports.filter(({ verdict }) => verdict === 'passed').length;
  const together = settings.repeat > 1 ? repeated(reports.length, passed) : undefined;
  if (together !== undefined && showsConsole(settings)) view.say(` ${describeRepeated(together)}`);
  await writeReports(settings, reports, exitCode, together);
  return exitCode;
}

/** What is told of a run among others. */
type Told = NonNullable<Parameters<ConsoleView['onJudged']>[1]>;

/** Every scenario in turn, and that as often as is asked for. */
function plan(settings: Settings): readonly { readonly scenario: string; readonly told: Told }[] {
  const scenarios = settings.scenario === 'all' ? Object.keys(SCENARIOS) : [settings.scenario];
  const { repeat } = settings;
  return Array.from({ length: repeat }, (_, index) =>
    scenarios.map((scenario) => {
      const label = [
        ...(scenarios.length > 1 ? [scenario] : []),
        ...(repeat > 1 ? [`run ${index + 1} of ${repeat}`] : []),
      ].join(', ');
      return { scenario, told: { alsoExercised: scenarios, ...(label === '' ? {} : { label }) } };
    }),
  ).flat();
}

async function runOnce(
  settings: Settings,
  view: ConsoleView,
  told: Told,
  interruption: Interruption,
  environment: Environment | undefined,
): Promise<{ readonly report: Report; readonly code: ExitCode }> {
  try {
    const { report, problem, kept, strangers } = await verify(settings, {
      toolVersion: packageVersion(),
      command: commandLine(),
      signal: interruption.signal,
      operator: terminalOperator(view, interruption),
      onEvent: view.onEvent,
      onJudged: (judged) => {
        if (showsConsole(settings) && judged.verdict !== 'error') view.onJudged(judged, told);
      },
      ...(environment === undefined ? {} : { environment }),
      disarmed: process.env['VERIFY_RESTART_DISARMED'] === '1',
    });
    view.stop();
    if (problem !== null) complain(problem.message, problem.remedy);
    for (const thing of kept) {
      console.error(`warning: could not be removed: ${describeThing(thing)}; try verify-restart cleanup`);
    }
    for (const id of showsConsole(settings) ? strangers : []) {
      view.say(` left      row ${id} of ${settings.jobs.table}: the worker made it, so it is not removed`);
    }
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

function showsConsole({ reporters }: Settings): boolean {
  return reporters.some(({ name, path }) => name === 'console' && path === null);
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
  together: Repeated | undefined,
): Promise<void> {
  for (const { name, path } of settings.reporters) {
    if (name !== 'json') continue;
    const text = renderJson(reports, exitCode, together);
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

/** The call as it was typed, credentials masked. */
function commandLine(): string {
  const words = ['npx', 'verify-restart', ...process.argv.slice(2)];
  return redactText(
    words
      .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`))
      .join(' '),
  );
}
