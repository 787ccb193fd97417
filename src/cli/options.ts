/**
 * The options of `run` and its like, for commander. They are declared here and read in `config/load.ts`, so that a
 * value from a flag, the environment or a config file gets the same message. Nothing heavy is imported: `--help` must
 * come at once.
 */
import type { Command } from 'commander';
import { DEFAULTS } from '../config/defaults.ts';
import type { RawFlags } from '../config/raw-flags.ts';

/**
 * Declares every option of `run` on a command. Defaults are told in the help text and applied in `load.ts`: a default
 * declared to commander would be indistinguishable from a flag and beat the config file.
 */
export function addRunOptions(command: Command): void {
  addTargetOptions(command);
  command
    .optionsGroup('Worker:')
    .option('--worker <command>', 'shell command that starts the worker; needed for --auto-restart')
    .option('--worker-stop <command>', 'with --worker-start: for a worker that something else runs')
    .option('--worker-start <command>', 'with --worker-stop: docker compose, kubectl, systemctl, pm2, …')
    .option('--worker-ready <regex>', "a line of the worker's output that says it is ready")
    .option('--auto-restart', 'restart the worker without asking a person (default: off; needed in CI)')

    .optionsGroup('Run:')
    .option('--scenario <name>', `what happens to the worker, or all in turn (default: ${DEFAULTS.scenario})`)
    .option(
      '--strike-at <moment>',
      `processing, progress, progress:40%, 2s, pending or retrying (default: ${DEFAULTS.strikeAt}, when the first item is done)`,
    )
    .option('--files <n>', `files of the test job (default: ${DEFAULTS.files})`)
    .option('--file-mode <mode>', `valid or missing files (default: ${DEFAULTS.fileMode})`)
    .option(
      '--processing-timeout <duration>',
      `until the job is picked up (default: ${DEFAULTS.processingTimeout})`,
    )
    .option(
      '--terminal-timeout <duration>',
      `from the restart until the job has ended (default: ${DEFAULTS.terminalTimeout}, more where the broker takes longer)`,
    )
    .option(
      '--settle <duration>',
      `watch on after the end, or auto: until the broker keeps nothing of the job (default: ${DEFAULTS.settle})`,
    )
    .option('--witnesses', 'run two small jobs beside the subject (default: on)')
    .option('--no-witnesses', 'run the subject alone')
    .option(
      '--control <when>',
      `the same job without a restart: auto, always or off (default: ${DEFAULTS.control})`,
    )
    .option('--observe <how>', `auto, trigger or poll (default: ${DEFAULTS.observe}: trigger, else poll)`)
    .option(
      '--hold',
      'hold the job in flight until the worker is restarted (default: on when a person does it and the row has no lease)',
    )
    .option('--no-hold', 'never hold the job')
    .option('--repeat <n>', `runs of each scenario (default: ${DEFAULTS.repeat})`)
    .option('--keep', 'keep test rows and messages (default: off)')

    .optionsGroup('Output:')
    .option(
      '--reporter <list>',
      `console and json; name=path for a file (default: ${DEFAULTS.reporter})`,
      (value: string, previous: string | undefined) =>
        previous === undefined ? value : `${previous},${value}`,
    )
    .option(...OUTPUT_DIR)
    .option('-q, --quiet', 'the verdict only')
    .option('-v, --verbose', 'every event')
    .option('--no-color', 'no colour (env: NO_COLOR)')
    // What a command adds of its own is listed under commander's own heading again.
    .optionsGroup('');
}

/**
 * @param command a command that was parsed.
 * @returns only the flags that stood on the command line, for `loadSettings`.
 */
export function rawFlags(command: Command): RawFlags {
  const flags: { -readonly [Flag in keyof RawFlags]: RawFlags[Flag] } = { ...command.opts<RawFlags>() };
  for (const name of Object.keys(flags)) {
    if (command.getOptionValueSource(name) !== 'cli') Reflect.deleteProperty(flags, name);
  }
  return flags;
}

/** The options of commands that start no run: what they look at or remove, and where its journals are. */
export function addMaintenanceOptions(command: Command): void {
  addTargetOptions(command);
  command
    .optionsGroup('Output:')
    .option(...OUTPUT_DIR)
    .optionsGroup('');
}

const OUTPUT_DIR = [
  '--output-dir <dir>',
  `one folder a run, with its journal (default: ${DEFAULTS.outputDir}/)`,
] as const;

function addTargetOptions(command: Command): void {
  command
    .optionsGroup('Target:')
    .option(
      '-c, --config <file>',
      'config file (default: verify-restart.config.{ts,mts,js,mjs,json}, looked for upward)',
    )
    .option(
      '--database-url <url>',
      'PostgreSQL database of the job table (env: DATABASE_URL, also from .env)',
    )
    .option('--table <schema.table>', `job table (default: ${DEFAULTS.table})`)
    .option('--queue <kind>', `bullmq, celery, http or none (default: ${DEFAULTS.queue})`)
    .option(
      '--queue-backend <kind>',
      `where BullMQ lives: redis or postgres (default: ${DEFAULTS.queueBackend})`,
    )
    .option('--queue-name <name>', 'queue (default: extraction for bullmq, celery for celery)')
    .option('--task <name>', `task that processes a bulk job (default: ${DEFAULTS.task})`)
    .option(
      '--broker-url <url>',
      `broker, or the base of the API for http (env: REDIS_URL, CELERY_BROKER_URL; default: ${DEFAULTS.redisUrl}; for http ${DEFAULTS.apiUrl}, its token in VERIFY_RESTART_TOKEN)`,
    )
    .option('--allow-remote', 'allow servers that are not on this machine (default: off)');
}
