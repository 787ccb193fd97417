/**
 * What this version can do of what the interface names. A known name that is not in these lists is refused with
 * words of its own: "not available in this version" is another thing than "unknown".
 */
import { usageError } from '../core/errors.ts';
import type { UserError } from '../core/errors.ts';
import type { QueueKind, ReporterName } from './settings.ts';

export const AVAILABLE_QUEUES: readonly QueueKind[] = ['bullmq', 'celery', 'http', 'none'];
export const AVAILABLE_REPORTERS: readonly ReporterName[] = ['console', 'json'];

/** @param option where the value came from, as the user knows it: `--queue`, `queue.kind in …`. */
export function notAvailable(option: string, value: string, available: readonly string[]): UserError {
  return usageError(
    'not-available',
    `${option} is ${JSON.stringify(value)}, which is not available in this version`,
    `available now: ${available.join(', ')}`,
  );
}
