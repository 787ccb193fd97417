/**
 * The schema of the config file. It refuses keys and values that nobody knows and leaves the reading of texts
 * (durations, moments, URLs, names of scenarios) to the files that read the same texts from flags.
 */
import { z } from 'zod';
import { CRITERION_IDS } from '../core/criterion-ids.ts';
import { COLUMN_ROLES, STATUS_ROLES } from './settings.ts';
import type { PayloadJob } from './settings.ts';

/** An object's shape with the same optional value under each of some keys. */
function keyed<const Key extends string, Value extends z.ZodType>(
  keys: readonly Key[],
  value: Value,
): Record<Key, z.ZodOptional<Value>> {
  const shape = Object.fromEntries(keys.map((key) => [key, value.optional()]));
  return shape as Record<Key, z.ZodOptional<Value>>;
}

const text = z.string().min(1);
const words = z.array(text).min(1).readonly();
const columnName = text.nullable();

const scenarioStep = z.strictObject({
  stop: z.enum(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGQUIT']).optional(),
  reach: z.enum(['tree', 'group', 'process', 'child']).optional(),
  grace: text.optional(),
  wait: text.optional(),
  start: z.literal(true).optional(),
});

export const configSchema = z.strictObject({
  database: z.strictObject({ url: z.string().optional() }).optional(),
  jobs: z
    .strictObject({
      table: text.optional(),
      columns: z.strictObject(keyed(COLUMN_ROLES, columnName)).optional(),
      statuses: z
        .strictObject(keyed(['pending', 'processing', 'completed', 'failed', 'cancelled'], words))
        .optional(),
      insert: z.record(z.string(), z.unknown()).optional(),
      archive: text.optional(),
    })
    .optional(),
  queue: z
    .strictObject({
      kind: z.enum(['bullmq', 'celery', 'http', 'sql', 'command', 'none']).optional(),
      backend: z.enum(['redis', 'postgres']).optional(),
      url: z.string().optional(),
      name: text.optional(),
      task: text.optional(),
      payload: z
        .custom<(job: PayloadJob) => unknown>((value) => typeof value === 'function', {
          params: { expected: 'a function' },
        })
        .optional(),
      prefix: text.optional(),
      schema: text.optional(),
      token: z.string().optional(),
      headers: z.record(z.string(), z.string()).optional(),
      login: z
        .strictObject({
          path: text.optional(),
          body: z.record(z.string(), z.unknown()),
          encoding: z.enum(['json', 'form']).optional(),
          token: text.optional(),
        })
        .optional(),
      submit: z
        .strictObject({
          method: z.enum(['POST', 'PUT']).optional(),
          path: text.optional(),
          filesField: text.optional(),
          fields: z.record(z.string(), z.string()).optional(),
          jobId: text.optional(),
          taskId: text.optional(),
        })
        .optional(),
      status: z
        .strictObject({ path: text.optional(), ...keyed(STATUS_ROLES, text) })
        .nullable()
        .optional(),
      list: z
        .strictObject({
          path: text.optional(),
          jobs: text.optional(),
          id: text.optional(),
          files: text.optional(),
        })
        .optional(),
      remove: z
        .strictObject({ method: z.enum(['DELETE', 'POST']).optional(), path: text.optional() })
        .optional(),
      health: text.nullable().optional(),
      probe: text.optional(),
    })
    .optional(),
  worker: z
    .strictObject({
      command: text.optional(),
      stopCommand: text.optional(),
      startCommand: text.optional(),
      replicas: z.number().optional(),
      env: z.record(z.string(), z.string().optional()).optional(),
      cwd: text.optional(),
      readyPattern: z
        .custom<RegExp | string>((value) => typeof value === 'string' || value instanceof RegExp, {
          params: { expected: 'text or a regular expression' },
        })
        .optional(),
      stopGrace: text.optional(),
    })
    .optional(),
  effects: z.strictObject({ sql: text.optional() }).optional(),
  retries: z.strictObject({ baseDelay: text, factor: z.number().positive().optional() }).optional(),
  criteria: z.strictObject(keyed(CRITERION_IDS, z.enum(['required', 'advisory', 'off']))).optional(),
  scenarios: z.record(z.string(), z.array(scenarioStep).min(1).readonly()).optional(),
  autoRestart: z.boolean().optional(),
  scenario: text.optional(),
  strikeAt: text.optional(),
  files: z.number().optional(),
  fileMode: z.enum(['valid', 'missing']).optional(),
  processingTimeout: text.optional(),
  terminalTimeout: text.optional(),
  settle: text.optional(),
  witnesses: z.boolean().optional(),
  control: z.enum(['auto', 'always', 'off']).optional(),
  observe: z.enum(['auto', 'trigger', 'poll']).optional(),
  hold: z.literal([true, false, 'auto']).optional(),
  repeat: z.number().optional(),
  reporters: words.optional(),
  outputDir: text.optional(),
  keep: z.boolean().optional(),
  allowRemote: z.boolean().optional(),
});

/** A config file that was found sound; texts in it are not read yet. */
export type CheckedConfig = z.output<typeof configSchema>;
