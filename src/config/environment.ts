/** The environment as far as settings are concerned: the process's own, and `.env` beneath it. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { usageError } from '../core/errors.ts';
import type { Given } from './given.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** The variables that set something. Nothing else is taken from `.env`. */
const VARIABLES = ['DATABASE_URL', 'REDIS_URL', 'CELERY_BROKER_URL', 'VERIFY_RESTART_TOKEN'] as const;
type Variable = (typeof VARIABLES)[number];
export type GivenVariables = Readonly<Partial<Record<Variable, Given<string>>>>;

/**
 * The process environment wins over `.env`; an empty variable counts as not set, as `FOO= command` is how people
 * unset one.
 *
 * @throws UserError `dotenv-unreadable` where there is a `.env` that cannot be read.
 */
export async function readVariables(env: Environment, cwd: string): Promise<GivenVariables> {
  const file = await readDotEnv(cwd);
  const given: Partial<Record<Variable, Given<string>>> = {};
  for (const name of VARIABLES) {
    const fromProcess = env[name]?.trim();
    const fromFile = file[name]?.trim();
    if (fromProcess) given[name] = { value: fromProcess, from: name, folder: cwd };
    else if (fromFile) given[name] = { value: fromFile, from: `${name} in .env`, folder: cwd };
  }
  return given;
}

/** Whether this is a CI machine: `CI` set to anything but `false`, `0` or nothing. */
export function isContinuousIntegration(env: Environment): boolean {
  return !['', 'false', '0'].includes(env['CI']?.trim().toLowerCase() ?? '');
}

async function readDotEnv(cwd: string): Promise<Environment> {
  try {
    return parseEnv(await readFile(path.join(cwd, '.env'), 'utf8'));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // A folder of that name is a Python virtual environment by an old habit, not a file of variables.
    if (code === 'ENOENT' || code === 'EISDIR') return {};
    throw usageError(
      'dotenv-unreadable',
      `.env cannot be read (${String(code)})`,
      'make it readable, or remove it',
    );
  }
}
