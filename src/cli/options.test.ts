import { Command, CommanderError } from 'commander';
import { expect, test } from 'vitest';
import type { RawFlags } from '../config/raw-flags.ts';
import { addRunOptions, rawFlags } from './options.ts';

function command(): Command {
  const run = new Command('run').exitOverride().configureOutput({ writeErr: () => undefined });
  addRunOptions(run);
  return run;
}

function parse(...args: string[]): RawFlags {
  return rawFlags(command().parse(args, { from: 'user' }));
}

test('what is not given is not there, defaults included', () => {
  expect(parse()).toEqual({});
});

test.each<[string[], RawFlags]>([
  [['-c', 'a.ts'], { config: 'a.ts' }],
  [['--config', 'a.ts'], { config: 'a.ts' }],
  [['--database-url', 'postgres://h/d'], { databaseUrl: 'postgres://h/d' }],
  [['--table', 'a.b'], { table: 'a.b' }],
  [['--queue', 'bullmq'], { queue: 'bullmq' }],
  [['--queue-backend', 'postgres'], { queueBackend: 'postgres' }],
  [['--queue-name', 'q'], { queueName: 'q' }],
  [['--task', 't'], { task: 't' }],
  [['--broker-url', 'redis://h'], { brokerUrl: 'redis://h' }],
  [['--worker', 'node w.js --flag'], { worker: 'node w.js --flag' }],
  [['--worker-stop', 'a', '--worker-start', 'b'], { workerStop: 'a', workerStart: 'b' }],
  [['--worker-ready', '^ready'], { workerReady: '^ready' }],
  [['--auto-restart'], { autoRestart: true }],
  [['--scenario', 'crash'], { scenario: 'crash' }],
  [['--strike-at', 'progress:40%'], { strikeAt: 'progress:40%' }],
  [['--files', '5'], { files: '5' }],
  [['--files', '-5'], { files: '-5' }],
  [['--file-mode', 'valid'], { fileMode: 'valid' }],
  [['--processing-timeout', '1s'], { processingTimeout: '1s' }],
  [['--terminal-timeout', '1s'], { terminalTimeout: '1s' }],
  [['--settle', 'auto'], { settle: 'auto' }],
  [['--witnesses'], { witnesses: true }],
  [['--no-witnesses'], { witnesses: false }],
  [['--control', 'off'], { control: 'off' }],
  [['--observe', 'poll'], { observe: 'poll' }],
  [['--hold'], { hold: true }],
  [['--no-hold'], { hold: false }],
  [['--repeat', '2'], { repeat: '2' }],
  [['--reporter', 'json,console'], { reporter: 'json,console' }],
  [['--reporter', 'json', '--reporter=console'], { reporter: 'json,console' }],
  [['--output-dir', 'o'], { outputDir: 'o' }],
  [['--keep'], { keep: true }],
  [['--allow-remote'], { allowRemote: true }],
  [['-q'], { quiet: true }],
  [['-v'], { verbose: true }],
  [['--no-color'], { color: false }],
])('%j', (args, flags) => {
  expect(parse(...args)).toEqual(flags);
});

test('an unknown option is refused with the nearest one', () => {
  expect(() => parse('--auto-restrat')).toThrow(CommanderError);
  expect(() => parse('--auto-restrat')).toThrow(/--auto-restart/);
});

test('the help names every option of the interface, with its environment and default', () => {
  const help = command().helpInformation().replaceAll(/\s+/g, ' ');
  for (const words of [
    'DATABASE_URL, also from .env',
    'REDIS_URL, CELERY_BROKER_URL; default: redis://127.0.0.1:6379',
    'default: pybase.extraction_jobs',
    'default: crash',
    'default: progress',
    'default: 5',
    'default: 30s',
    'default: 120s',
    'NO_COLOR',
  ]) {
    expect(help).toContain(words);
  }
});

test('what a command adds of its own stands outside the groups', () => {
  const help = command().option('--own', 'of its own').helpInformation();
  expect(help).toMatch(/\nOptions:\n +--own /);
});
