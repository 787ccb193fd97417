/** What a worker's own output says of a job that nobody began with. */
import { environmentError } from '../core/errors.ts';
import type { RunContext } from './context.ts';

/** The last line that was noted of a worker's output (`Queue.workerLines`), as it is put behind a sentence; empty: none was. */
export function workerSays(run: RunContext): string {
  const line = lastLine(run);
  return line === undefined ? '' : `; ${line}`;
}

/** @returns the error for a task that the worker has dropped because it does not know it; `null`: it does not say so */
export function droppedTask(run: RunContext): Error | null {
  const line = lastLine(run);
  if (line === undefined || !/unregistered task/i.test(line)) return null;
  const { task } = run.settings.queue;
  return environmentError(
    'task-not-registered',
    `the worker does not know the task ${task} and dropped its message: ${line}`,
    'start the worker with the module that defines it (-A, include or imports), or name the task as it is registered with --task',
  );
}

function lastLine(run: RunContext): string | undefined {
  return run.recorder
    .history()
    .of('note')
    .findLast(({ code }) => code === 'worker-line')?.text;
}
