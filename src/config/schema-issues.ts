/** What is wrong with a config file, in the words of the file: the path of the key, and the nearest valid one. */
import { z } from 'zod';
import { usageError } from '../core/errors.ts';
import type { UserError } from '../core/errors.ts';
import { suggestion, unknownValue } from './choice.ts';
import { configSchema } from './schema.ts';
import type { CheckedConfig } from './schema.ts';

/**
 * @param value what the file gave.
 * @param fileName how the file is called in messages.
 * @throws UserError for the first thing that is wrong: `unknown-config-key`, `unknown-value`, `invalid-config-value`.
 *   Values are repeated only where a list of words is expected: others may hold secrets.
 */
export function checkConfig(value: unknown, fileName: string): CheckedConfig {
  const result = configSchema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  if (issue === undefined) throw result.error;
  throw describeIssue(issue, fileName);
}

function describeIssue(issue: z.core.$ZodIssue, fileName: string): UserError {
  const where = `${issue.path.length === 0 ? 'the configuration' : formatPath(issue.path)} in ${fileName}`;
  switch (issue.code) {
    case 'unrecognized_keys': {
      const key = issue.keys[0] ?? '';
      const known = keysAt(issue.path);
      const elsewhere = placesOf(key);
      return usageError(
        'unknown-config-key',
        `${formatPath([...issue.path, key])} in ${fileName} is no known key`,
        elsewhere.length > 0
          ? `did you mean ${elsewhere.join(' or ')}? known here: ${known.join(', ')}`
          : suggestion(key, known, 'known'),
      );
    }
    case 'invalid_value': {
      const input: unknown = issue.input;
      if (typeof input === 'string') return unknownValue(where, input, issue.values.map(String));
      return mismatch(
        where,
        input,
        `one of ${issue.values.map((valid) => JSON.stringify(valid)).join(', ')}`,
      );
    }
    case 'invalid_type':
      return mismatch(where, issue.input, EXPECTED[issue.expected] ?? issue.expected);
    case 'custom':
      return mismatch(where, issue.input, String(issue.params?.['expected'] ?? 'something else'));
    case 'too_small':
      return usageError('invalid-config-value', `${where} is empty`, 'give a value or leave the key out');
    // The schema has nothing that brings these about today.
    case 'too_big':
    case 'invalid_format':
    case 'not_multiple_of':
    case 'invalid_union':
    case 'invalid_key':
    case 'invalid_element':
      return usageError('invalid-config-value', `${where} is not valid: ${issue.message}`);
  }
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

function mismatch(where: string, input: unknown, expected: string): UserError {
  const remedy =
    expected === 'text' && typeof input === 'number'
      ? "write it in quotes, a duration with its unit: '30s'"
      : expected === 'a number' && typeof input === 'string'
        ? 'write the number without quotes'
        : `give ${expected}, or leave the key out`;
  return usageError(
    'invalid-config-value',
    `${where} is ${kindOf(input)}, and should be ${expected}`,
    remedy,
  );
}

function kindOf(input: unknown): string {
  if (input === null) return 'null';
  if (input === undefined) return 'missing';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'string') return 'text';
  if (typeof input === 'object') return 'an object';
  if (typeof input === 'number' || typeof input === 'boolean') return String(input);
  return `a ${typeof input}`;
}

/** `jobs.columns.taskId`, `scenarios["my-deploy"][0].stop`. */
function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((key) => {
      if (typeof key === 'number') return `[${key}]`;
      return /^[a-z_$][\w$]*$/i.test(String(key)) ? `.${String(key)}` : `[${JSON.stringify(String(key))}]`;
    })
    .join('')
    .replace(/^\./, '');
}

/** The keys that the schema knows at a path. */
function keysAt(path: readonly PropertyKey[]): readonly string[] {
  let schema: unknown = configSchema;
  for (const key of path) {
    const inner = unwrap(schema);
    if (inner instanceof z.ZodObject) schema = inner.shape[String(key)];
    else if (inner instanceof z.ZodArray) schema = inner.element;
    else if (inner instanceof z.ZodRecord) schema = inner.valueType;
  }
  const found = unwrap(schema);
  return found instanceof z.ZodObject ? Object.keys(found.shape) : [];
}

/** Where a misplaced key would be known: `table` at the top is `jobs.table`. */
function placesOf(key: string): readonly string[] {
  return Object.entries(configSchema.shape).flatMap(([name, schema]) => {
    const inner = unwrap(schema);
    return inner instanceof z.ZodObject && Object.hasOwn(inner.shape, key) ? [`${name}.${key}`] : [];
  });
}

function unwrap(schema: unknown): unknown {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodReadonly || inner instanceof z.ZodNullable) {
    inner = inner.unwrap();
  }
  return inner;
}
