/** What a setting is when nothing says otherwise. Light enough to be read by `--help`. */
import type { ColumnMapping, PayloadJob, QueueKind, StatusMapping } from './settings.ts';

export const DEFAULTS = {
  table: 'pybase.extraction_jobs',
  queue: 'bullmq',
  queueBackend: 'redis',
  task: 'extract_bulk',
  redisUrl: 'redis://127.0.0.1:6379',
  celeryUrl: 'redis://127.0.0.1:6379/1',
  apiUrl: 'http://localhost:8000/api/v1',
  prefix: 'bull',
  schema: 'bullmq',
  stopGrace: '10s',
  scenario: 'crash',
  strikeAt: 'progress',
  files: 5,
  fileMode: 'valid',
  processingTimeout: '30s',
  terminalTimeout: '120s',
  settle: 'auto',
  control: 'auto',
  observe: 'auto',
  repeat: 1,
  reporter: 'console',
  outputDir: '.verify-restart',
} as const;

/** The columns of the reference table; a table of another make lacks some, which is no error unless named. */
export const DEFAULT_COLUMNS: ColumnMapping = {
  id: 'id',
  status: 'status',
  taskId: 'celery_task_id',
  progress: 'progress',
  startedAt: 'started_at',
  completedAt: 'completed_at',
  createdAt: 'created_at',
  retryCount: 'retry_count',
  maxRetries: 'max_retries',
  lastRetryAt: 'last_retry_at',
  error: 'error_message',
  files: 'file_path',
  options: 'options',
  results: 'results',
  owner: null,
  leaseUntil: null,
  heartbeatAt: null,
  attempts: null,
};

export const DEFAULT_STATUSES: StatusMapping = {
  pending: ['pending', 'queued'],
  processing: ['processing', 'running', 'retrying'],
  completed: ['completed'],
  failed: ['failed'],
  cancelled: ['cancelled', 'canceled'],
};

/** Celery's own default queue is called `celery`; the others go by the reference service's. */
export function defaultQueueName(kind: QueueKind): string {
  return kind === 'celery' ? 'celery' : 'extraction';
}

export function defaultPayload(kind: QueueKind): (job: PayloadJob) => unknown {
  return kind === 'celery' ? celeryPayload : plainPayload;
}

/** `extract_bulk(file_paths, format_override, options, job_id)` of the reference service. */
function celeryPayload(job: PayloadJob): unknown {
  return { args: [job.filePaths, null, job.options, job.id] };
}

function plainPayload(job: PayloadJob): unknown {
  return { jobId: job.id, filePaths: job.filePaths, options: job.options };
}

/** The API of the reference service: `POST <url>/extraction/bulk` and what goes with it. */
export const DEFAULT_API = {
  login: { path: '/auth/login', encoding: 'json', token: '$.access_token' },
  submit: {
    method: 'POST',
    path: '/extraction/bulk',
    filesField: 'files',
    fields: { format: 'pdf' },
    jobId: '$.job_id',
  },
  status: {
    path: '/extraction/jobs/{id}',
    values: {
      status: '$.status',
      taskId: '$.celery_task_id',
      progress: '$.progress',
      startedAt: '$.started_at',
      completedAt: '$.completed_at',
      createdAt: '$.created_at',
      retryCount: '$.retry_count',
      maxRetries: '$.max_retries',
      lastRetryAt: '$.last_retry_at',
      error: '$.error_message',
    },
  },
  list: { path: '/extraction/jobs', jobs: '$.jobs[*]', id: '$.id', files: '$.files[*]' },
  remove: { method: 'DELETE', path: '/extraction/jobs/{id}' },
  health: '/health',
} as const;
