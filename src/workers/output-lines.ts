/** The output of a worker, line by line. */
import type { Readable } from 'node:stream';

/** A line that never ends (a progress bar, a dump) is cut here, so that it can't fill the memory. */
const LONGEST_LINE = 65_536;

/**
 * Calls `onLine` for each line, without its end; a last line without an end counts. Reading begins at once.
 * Resolves when the stream has ended or was closed; never rejects.
 */
export async function forEachLine(stream: Readable, onLine: (line: string) => void): Promise<void> {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line.replace(/\r$/u, ''));
    if (rest.length > LONGEST_LINE) {
      onLine(rest);
      rest = '';
    }
  });
  await new Promise<void>((resolve) => {
    stream.once('end', resolve);
    // Closed while an orphan still had the other end: what was read is all there is.
    stream.once('close', resolve);
    stream.once('error', () => resolve());
  });
  if (rest !== '') onLine(rest);
}
