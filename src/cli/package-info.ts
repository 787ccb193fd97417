/** This package, as it is installed. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const packageFile = createRequire(import.meta.url).resolve('verify-restart/package.json');

/** A path inside the package, for files that are shipped as they are. */
export function packagePath(...parts: readonly string[]): string {
  return join(dirname(packageFile), ...parts);
}

export function packageVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(packageFile, 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : '';
}
