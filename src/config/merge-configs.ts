/** Several configurations laid over each other. */
import type { UserConfig } from './define-config.ts';

type Values = Readonly<Record<string, unknown>>;

/** Sections are merged key by key; of anything else the last one counts. What is `undefined` says nothing. */
export function mergeConfigs(...configs: readonly UserConfig[]): UserConfig {
  return configs.reduce<Values>((merged, config) => mergeValues(merged, config as Values), {});
}

function mergeValues(under: Values, over: Values): Values {
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const below = merged[key];
    merged[key] = isSection(below) && isSection(value) ? mergeValues(below, value) : value;
  }
  return merged;
}

function isSection(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
