import { environmentError, usageError, type UserError } from '../../core/errors.ts';
import { errorText } from '../broker-errors.ts';

/** BullMQ's own rule; it would throw from its constructor. */
export function checkQueueName(name: string): void {
  if (name === '' || name.includes(':')) {
    throw usageError(
      'queue-name-invalid',
      `--queue-name ${JSON.stringify(name)} is no name of a BullMQ queue: it must not be empty nor contain a colon.`,
      "The name is what the worker gives to `new Worker(name, …)`; a prefix goes into the config file's queue.prefix.",
    );
  }
}

/** BullMQ checked the message and took it not, or the broker answered with an error: nothing was added. */
export function refusedByBullmq(error: unknown): UserError {
  return environmentError(
    'submit-refused',
    `BullMQ refused the message: ${errorText(error)}`,
    undefined,
    error,
  );
}
