/** What `demo --broken list` prints: every bundled broken worker, a line each. */
import { BROKEN_BULLMQ } from '../../fixtures/broken-workers/defects/bullmq.ts';
import { BROKEN_CELERY } from '../../fixtures/broken-workers/defects/celery.ts';
import type { BrokenWorker } from '../../fixtures/broken-workers/defects/defect.ts';

/** In place of a name. */
export const LIST_BROKEN = 'list';

const TARGETS: readonly {
  readonly title: string;
  readonly flags: string;
  readonly workers: readonly BrokenWorker[];
}[] = [
  {
    title: 'BullMQ, on PostgreSQL or with --queue-backend redis',
    flags: '',
    workers: BROKEN_BULLMQ,
  },
  { title: 'Celery', flags: '--target celery ', workers: BROKEN_CELERY },
];

export function listBroken(): string {
  const width = Math.max(...TARGETS.flatMap(({ workers }) => workers.map(({ name }) => name.length)));
  return TARGETS.map(({ title, flags, workers }) =>
    [
      `${title}: verify-restart demo ${flags}--broken <name>`,
      ...workers.map(({ name, note, scenario, strikeAt }) => {
        const when = scenario === 'crash' && strikeAt === 'progress' ? '' : ` (${scenario} at ${strikeAt})`;
        return `  ${name.padEnd(width)}  ${note}${when}`;
      }),
    ].join('\n'),
  ).join('\n\n');
}
