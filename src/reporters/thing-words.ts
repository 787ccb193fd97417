/** What a run made, in words. */
import type { Thing } from '../core/event.ts';

export function describeThing(thing: Thing): string {
  switch (thing.kind) {
    case 'row':
      return `row ${thing.id} of ${thing.table}`;
    case 'history':
      return `history trigger on ${thing.table}`;
    case 'message':
      return `message ${thing.messageId} in ${thing.queueName}`;
    case 'upload':
      return `what the API made of the files ${thing.text}…`;
    case 'queue-keys':
      return `bookkeeping of the queue ${thing.queueName}`;
    case 'process':
      return `process ${thing.pid}`;
    case 'folder':
      return `folder ${thing.path}`;
  }
}
