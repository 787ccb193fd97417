import { expect, test } from 'vitest';
import { CRITERIA } from '../core/criteria/index.ts';
import { CRITERION_IDS } from '../core/criterion-ids.ts';
import { SCENARIOS } from '../core/scenario.ts';
import { IMPLEMENTED_SCENARIOS } from '../core/scenario-names.ts';
import type { UserConfig } from './define-config.ts';
import type { CheckedConfig } from './schema.ts';

/** The keys of a type and of the objects in it, two levels deep. */
type KeysOf<T> = {
  [K in keyof Required<T>]: NonNullable<T[K]> extends
    readonly unknown[] | ((...args: never) => unknown) | string
    ? K
    : `${K & string}.${keyof NonNullable<T[K]> & string}` | K;
}[keyof T];
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

test('the type that users see and the schema that checks know the same keys', () => {
  const same: Same<KeysOf<UserConfig>, KeysOf<CheckedConfig>> = true;
  expect(same).toBe(true);
  const assignable = (config: UserConfig): CheckedConfig => config;
  expect(assignable({ files: 1 })).toEqual({ files: 1 });
});

test('what is called implemented is, and what is implemented is called so', () => {
  expect([...IMPLEMENTED_SCENARIOS].sort()).toEqual(Object.keys(SCENARIOS).sort());
});

test('every criterion that is judged can be named', () => {
  expect(CRITERION_IDS).toEqual(expect.arrayContaining(Object.keys(CRITERIA)));
});
