/**
 * Command lines as text that can be taken apart again. An operating system shows the arguments of a process either
 * apart (Linux) or joined by blanks (macOS); a process may also have written a title over them ("npm start").
 */

/** What a command line runs. */
export interface Program {
  /** The program's base name, without a version (`python3.11` is `python`) and without a login shell's dash. */
  readonly name: string;
  /** What an interpreter was given to run: a path, or the module of `python -m`. `null`: no interpreter, or no script. */
  readonly script: string | null;
  /** The base name of `script` without its extension. */
  readonly scriptName: string | null;
  /** The arguments of the program, an interpreter's script left out; flags of the interpreter come before. */
  readonly arguments: readonly string[];
}

/** Interpreters, and their flags whose value is an argument of its own. */
const INTERPRETERS: Readonly<Record<string, readonly string[]>> = {
  node: [
    '-r',
    '--require',
    '--import',
    '--loader',
    '--experimental-loader',
    '-C',
    '--conditions',
    '--env-file',
    '--title',
    '--watch-path',
  ],
  bun: ['-r', '--preload', '--env-file', '--cwd', '-c', '--config'],
  python: ['-W', '-X'],
  ruby: ['-I', '-r', '-C'],
  perl: ['-I'],
  php: ['-c', '-d'],
};

/** Flags of interpreters after which the program is text of the command line, not a file. */
const INLINE_PROGRAM = new Set(['-e', '--eval', '-p', '--print', '-c']);

/**
 * Arguments as one line. An argument that would be read as two or as none is put in single quotes, as a shell has
 * it; a single one is left as it is, because it is mostly a title.
 */
export function joinArguments(values: readonly string[]): string {
  if (values.length === 1) return values[0] ?? '';
  return values
    .map((value) => (/^[^\s'"\\]+$/u.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`))
    .join(' ');
}

/** The arguments of a line made by `joinArguments`; for any other line, what blanks and single quotes set apart. */
export function splitArguments(line: string): readonly string[] {
  const matches = line.match(/(?:'[^']*(?:'|$)|\\.|[^\s'\\]|\\$)+/gu) ?? [];
  return matches.map((match) =>
    match.replace(
      /'([^']*)(?:'|$)|\\(.)/gu,
      (_whole, quoted?: string, escaped?: string) => quoted ?? escaped ?? '',
    ),
  );
}

/** Takes a command line apart. Never throws; an empty line is a program without a name. */
export function programOf(line: string): Program {
  const [first = '', ...rest] = splitArguments(line);
  const name = baseName(first)
    .replace(/^-/u, '')
    .replace(/:$/u, '')
    .replace(/^(python|ruby|perl|php|node|pypy)(?:js)?[\d.]*$/u, '$1');
  const flagsWithValue = INTERPRETERS[name];
  if (flagsWithValue === undefined) return { name, script: null, scriptName: null, arguments: rest };
  for (let index = 0; index < rest.length; index += 1) {
    const argument = rest[index] ?? '';
    if (name === 'python' && argument === '-m') {
      const module = rest[index + 1] ?? null;
      return { name, script: module, scriptName: module, arguments: rest.toSpliced(index, 2) };
    }
    // Bun's -c names a configuration file, so its flags with a value go first.
    if (flagsWithValue.includes(argument)) index += 1;
    else if (INLINE_PROGRAM.has(argument)) break;
    else if (!argument.startsWith('-')) {
      const scriptName = baseName(argument).replace(/\.(?:[cm]?[jt]sx?|py|rb|pl|php)$/u, '');
      return { name, script: argument, scriptName, arguments: rest.toSpliced(index, 1) };
    }
  }
  return { name, script: null, scriptName: null, arguments: rest };
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
