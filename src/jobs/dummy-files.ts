/** The files of a test job: small PDFs that can be read, each with a text of its own, or paths where nothing is. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dummyPdf } from './dummy-pdf.ts';

export interface DummyFilesOptions {
  /** Absolute; made if it is not there. */
  readonly folder: string;
  readonly count: number;
  readonly mode: 'valid' | 'missing';
  /** Names the job in the text, so that no two jobs' files are equal: a worker may refuse content it has seen. */
  readonly label: string;
}

/** @returns the absolute paths, in order */
export async function makeDummyFiles(options: DummyFilesOptions): Promise<readonly string[]> {
  const names = Array.from({ length: options.count }, (_, index) => `file-${index + 1}.pdf`);
  const paths = names.map((name) => join(options.folder, name));
  if (options.mode === 'missing') return paths;
  await mkdir(options.folder, { recursive: true });
  // The worker may run as another user.
  await chmod(options.folder, 0o755);
  await Promise.all(
    paths.map((path, index) =>
      writeFile(path, dummyPdf(`verify-restart ${options.label}, file ${index + 1} of ${options.count}`)),
    ),
  );
  return paths;
}
