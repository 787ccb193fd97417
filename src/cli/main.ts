/**
 * The command line: which command, and what the process exits with. The only place where errors become text. Commands
 * are loaded when they are called, so that `--help` costs little more than Node itself.
 */
import { Command, CommanderError } from 'commander';
import { isUserError } from '../core/errors.ts';
import type { RawFlags } from '../config/raw-flags.ts';
import type { DemoOptions } from './commands/demo.ts';
import { complain } from './complaint.ts';
import { EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { addMaintenanceOptions, addRunOptions, rawFlags } from './options.ts';
import { packageVersion } from './package-info.ts';

/** Commands of the interface that this version does not have yet. */
const NOT_YET = ['explore', 'stress', 'doctor', 'watch', 'inspect', 'init'];

/** @param args without the interpreter and the script */
export async function main(args: readonly string[]): Promise<void> {
  // A reader that closes the pipe early (`| head`) must not stop the clean-up.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  process.exitCode = await run(args);
}

async function run(args: readonly string[]): Promise<ExitCode> {
  const [name] = args;
  if (name !== undefined && NOT_YET.includes(name)) {
    return refuse(`the command ${name} is not available in this version`, 'see verify-restart --help');
  }
  let exitCode: ExitCode = EXIT_CODES.verified;
  const program = createProgram((code) => {
    exitCode = code;
  });
  const commands = [...program.commands.map((command) => command.name()), 'help'];
  if (name !== undefined && !name.startsWith('-') && !commands.includes(name)) {
    const { suggestion } = await import('../config/choice.ts');
    return refuse(`there is no command ${name}`, suggestion(name, commands, 'commands'));
  }
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT_CODES.verified : EXIT_CODES.usage;
    }
    if (isUserError(error)) {
      complain(error.message, error.remedy);
      return error.kind === 'usage' ? EXIT_CODES.usage : EXIT_CODES.environment;
    }
    console.error(error);
    console.error(
      '\nThis is a bug of verify-restart, not a mistake of yours. Please report it with the text above.',
    );
    return EXIT_CODES.internal;
  }
}

function refuse(message: string, remedy: string | undefined): ExitCode {
  complain(message, remedy);
  return EXIT_CODES.usage;
}

function createProgram(finish: (code: ExitCode) => void): Command {
  const program = new Command('verify-restart')
    .description('Proves that background jobs survive a restart of their worker, or shows why they do not.')
    .version(packageVersion(), '-V, --version')
    .showHelpAfterError('(see verify-restart --help)')
    .exitOverride()
    .enablePositionalOptions();

  const runCommand = program
    .command('run', { isDefault: true })
    .description(
      'the default: one verification (create a job, trigger it, restart the worker in the middle, judge, clean up)',
    );
  addRunOptions(runCommand);
  runCommand.action(async () => {
    const { runCommandLine } = await import('./commands/run.ts');
    finish(await runCommandLine(rawFlags(runCommand)));
  });

  const demoCommand = program
    .command('demo')
    .description('the same on an embedded PostgreSQL and the bundled worker; needs nothing but Node');
  addRunOptions(demoCommand);
  demoCommand
    .option('--target <name>', 'the bundled target: bullmq, table or celery (default: bullmq)')
    .option(
      '--broken <defect>',
      'one of its broken workers, with what brings its defect to light; list: all of them',
    )
    .option('--interactive', 'let a person restart the worker');
  demoCommand.action(async () => {
    const { runDemo } = await import('./commands/demo.ts');
    const { target, broken, interactive, ...flags } = demoFlags(demoCommand);
    finish(await runDemo(flags, { target, broken, interactive }));
  });

  const cleanUpCommand = program
    .command('cleanup')
    .description('remove what interrupted runs left behind, by their journals');
  addMaintenanceOptions(cleanUpCommand);
  cleanUpCommand.action(async () => {
    const { cleanUpRuns } = await import('./commands/cleanup.ts');
    finish(await cleanUpRuns(rawFlags(cleanUpCommand)));
  });

  const reportCommand = program
    .command('report')
    .description('judge saved runs again, without any service')
    .argument('<run...>', 'run folders, journals, or ids of runs in .verify-restart/')
    .option('--reporter <list>', 'console or json', 'console');
  reportCommand.action(async (runs: readonly string[], options: { readonly reporter: string }) => {
    const { reportRuns } = await import('./commands/report.ts');
    finish(await reportRuns(runs, options.reporter));
  });
  return program;
}

/** The demo's own options, apart from those that every run has. */
function demoFlags(command: Command): RawFlags & DemoOptions {
  const text = (name: string): string | null => {
    const value: unknown = command.getOptionValue(name);
    return typeof value === 'string' ? value : null;
  };
  return {
    ...rawFlags(command),
    target: text('target'),
    broken: text('broken'),
    interactive: command.getOptionValue('interactive') === true,
  };
}
