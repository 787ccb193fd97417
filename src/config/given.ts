/** A value together with where it came from, so that a message can name the very thing to change. */
import type { GivenVariables } from './environment.ts';
import type { RawFlags } from './raw-flags.ts';
import type { CheckedConfig } from './schema.ts';

export interface Given<T> {
  readonly value: T;
  /** As the user knows it: `--files`, `DATABASE_URL in .env`, `files in verify-restart.config.ts`. */
  readonly from: string;
  /** What a relative path in it is relative to. */
  readonly folder: string;
}

/** All that settings are made from. */
export interface Sources {
  readonly flags: RawFlags;
  readonly variables: GivenVariables;
  readonly config: CheckedConfig;
  /** How the config file is called in messages. */
  readonly configName: string;
  /** The folder of the config file, or `cwd` without one. */
  readonly configFolder: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export function fromFlag<T>(sources: Sources, flag: string, value: T | undefined): Given<T> | undefined {
  return value === undefined ? undefined : { value, from: flag, folder: sources.cwd };
}

/** `null` in a config file counts as a value. */
export function fromConfig<T>(sources: Sources, key: string, value: T | undefined): Given<T> | undefined {
  if (value === undefined) return undefined;
  return { value, from: `${key} in ${sources.configName}`, folder: sources.configFolder };
}

/** Reads the first value that was given by the parser of its option; the default is not parsed. */
export function read<T, R>(
  given: Given<T> | undefined,
  parse: (value: T, from: string, folder: string) => R,
  otherwise: R,
): R {
  return given === undefined ? otherwise : parse(given.value, given.from, given.folder);
}
