/** Finds out where a JSON text breaks off being JSON; `JSON.parse` itself only sometimes says. */

interface Position {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/**
 * The first character at which the text cannot be JSON any more, whatever would follow; its end where only something
 * is lacking. Found by halving: a beginning of the text is sound if all that is wrong with it is that it ends.
 *
 * @param text a text that `JSON.parse` refuses.
 */
export function findJsonError(text: string): Position {
  let sound = 0;
  let broken = text.length + 1;
  while (broken - sound > 1) {
    const middle = Math.floor((sound + broken) / 2);
    if (couldGoOn(text.slice(0, middle))) sound = middle;
    else broken = middle;
  }
  const lines = text.slice(0, sound).split('\n');
  return { line: lines.length, column: (lines.at(-1)?.length ?? 0) + 1 };
}

function couldGoOn(beginning: string): boolean {
  try {
    JSON.parse(beginning);
    return true;
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    if (/^Unexpected end|^Unterminated|^No number after|^Exponent part is missing/.test(message)) return true;
    return Number(/at position (\d+)/.exec(message)?.[1]) === beginning.length;
  }
}
