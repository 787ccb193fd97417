/** The systems whose processes can be followed. */
import { environmentError } from '../core/errors.ts';

/** This machine's system. Throws a `UserError` on any other one (Windows). */
export function supportedPlatform(): 'linux' | 'darwin' {
  if (process.platform === 'linux' || process.platform === 'darwin') return process.platform;
  throw environmentError(
    'platform-unsupported',
    `Processes cannot be followed on this system (${process.platform}).`,
    'Use Linux or macOS (on Windows: WSL), or restart the worker by commands of your own (--worker-stop, --worker-start).',
  );
}
