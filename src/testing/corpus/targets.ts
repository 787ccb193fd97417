/** The targets of the corpus: what a kind of queue needs in its database, and the configuration that its workers share. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { UserConfig } from '../../config/define-config.ts';
import type { TargetKind } from './row.ts';

const ROOT = join(import.meta.dirname, '../../..');

export interface CorpusTarget {
  /** The SQL of the template database that every run gets a copy of. */
  readonly schema: () => Promise<string>;
  /** Flags of every worker of the target. */
  readonly flags: readonly string[];
  readonly config: UserConfig;
}

export const TARGETS: Readonly<Record<TargetKind, CorpusTarget>> = {
  table: {
    schema: () => readFile(join(ROOT, 'fixtures/table-service/schema.sql'), 'utf8'),
    flags: ['--item-ms', '300', '--lease-ms', '1000', '--poll-ms', '50', '--backoff-ms', '100'],
    config: {
      queue: { kind: 'none' },
      jobs: {
        table: 'pybase.table_jobs',
        columns: {
          taskId: null,
          files: 'files',
          owner: 'owner',
          leaseUntil: 'lease_until',
          heartbeatAt: 'heartbeat_at',
          attempts: 'attempts',
        },
      },
      worker: { readyPattern: /^table worker ready/ },
      effects: { sql: 'select file_path, count(*) from pybase.table_effects where job_id = $1 group by 1' },
    },
  },
};

/** The built worker of a row. */
export function builtWorker(worker: string): string {
  return join(ROOT, 'dist/fixtures', `${worker}.js`);
}
