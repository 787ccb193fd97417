/**
 * The config file: looked for upward from the working folder, or named; TypeScript or JavaScript, run by jiti so
 * that the same file works on every Node, or JSON.
 */
import path from 'node:path';
import { usageError, UserError } from '../core/errors.ts';
import { describeLoadError } from './config-file-errors.ts';
import * as ownModule from './define-config.ts';
import { findJsonError } from './json-position.ts';

const EXTENSIONS = ['.ts', '.mts', '.js', '.mjs', '.json'] as const;

interface ConfigFile {
  /** Absolute. */
  readonly path: string;
  /** How the file is called in messages: relative to the working folder where that is shorter. */
  readonly name: string;
  /** What it exports by default; not checked. */
  readonly value: unknown;
}

/**
 * @param named the file of `--config`, relative to `cwd`; `undefined`: look for one.
 * @returns `null` where none was named and none found.
 * @throws UserError `config-not-found`, `config-unsupported`, `config-broken`: with file and line.
 */
export async function loadConfigFile(named: string | undefined, cwd: string): Promise<ConfigFile | null> {
  const { lilconfig } = await import('lilconfig');
  const searcher = lilconfig('verify-restart', {
    searchPlaces: EXTENSIONS.map((extension) => `verify-restart.config${extension}`),
    // An empty file must not be passed over for one further up: its author means it to be read.
    ignoreEmptySearchPlaces: false,
    cache: false,
    loaders: {
      '.ts': (file) => run(file, cwd),
      '.mts': (file) => run(file, cwd),
      '.js': (file) => run(file, cwd),
      '.mjs': (file) => run(file, cwd),
      '.json': (file, content) => parseJson(content, shortName(file, cwd)),
    },
  });

  const file = named === undefined ? undefined : path.resolve(cwd, named);
  if (file !== undefined && !EXTENSIONS.some((extension) => extension === path.extname(file))) {
    throw usageError(
      'config-unsupported',
      `--config is ${JSON.stringify(named)}, which is no kind of config file`,
      `give a file that ends in ${EXTENSIONS.join(', ')}`,
    );
  }
  const result = await (file === undefined ? searcher.search(cwd) : searcher.load(file)).catch(
    (error: unknown) => {
      throw error instanceof UserError ? error : unreadable(error, named);
    },
  );
  if (result === null) return null;
  const name = shortName(result.filepath, cwd);
  if (result.isEmpty === true) {
    throw usageError(
      'config-broken',
      `${name} is empty`,
      'write `export default defineConfig({ … })` (`{}` in JSON), or remove the file',
    );
  }
  return { path: result.filepath, name, value: result.config };
}

/**
 * `verify-restart` in the file means this very package, whether or not the project has installed it: with `npx` it
 * has not. No cache on disk: a run leaves nothing behind.
 */
async function run(file: string, cwd: string): Promise<unknown> {
  const { createJiti } = await import('jiti');
  const jiti = createJiti(file, { fsCache: false, virtualModules: { 'verify-restart': ownModule } });
  const name = shortName(file, cwd);
  let loaded: unknown;
  try {
    loaded = await jiti.import(file);
  } catch (error) {
    throw describeLoadError(error, file, name);
  }
  if (typeof loaded !== 'object' || loaded === null) return loaded;
  if (Object.hasOwn(loaded, 'default')) return Reflect.get(loaded, 'default');
  // A CommonJS file is its `module.exports`; an ES module without a default export exports nothing that is meant.
  const isEsModule =
    Object.hasOwn(loaded, '__esModule') || Reflect.get(loaded, Symbol.toStringTag) === 'Module';
  if (!isEsModule) return loaded;
  throw usageError(
    'config-broken',
    `${name} has no default export`,
    'write `export default defineConfig({ … })`',
  );
}

function parseJson(content: string, name: string): unknown {
  const text = content.replace(/^\uFEFF/, '');
  try {
    return JSON.parse(text);
  } catch {
    const { line, column } = findJsonError(text);
    throw usageError(
      'config-broken',
      `${name} is no valid JSON: line ${line}, column ${column}`,
      'JSON takes no comments, no comma after the last entry and no single quotes; a .ts or .mjs file takes them all',
    );
  }
}

function unreadable(error: unknown, named: string | undefined): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof code !== 'string') return error;
  const file = named === undefined ? 'the config file' : `--config is ${JSON.stringify(named)}, which`;
  return code === 'ENOENT'
    ? usageError('config-not-found', `${file} does not exist`, 'check the path, or leave --config out')
    : usageError('config-not-found', `${file} cannot be read (${code})`, 'give a file that can be read');
}

/** A path inside the working folder is shown relative to it, any other as it is. */
function shortName(file: string, cwd: string): string {
  const relative = path.relative(cwd, file);
  return relative.startsWith('..') || path.isAbsolute(relative) ? file : relative;
}
