/** The library: what the command line is made of, for those who want to call it themselves. */
export { defineConfig, type UserConfig } from './config/define-config.ts';
export type { Settings } from './config/settings.ts';
export { loadSettings, type SettingsInput } from './config/load.ts';
export { UserError } from './core/errors.ts';
export type { Event } from './core/event.ts';
export { createHistory, type History } from './core/history.ts';
export { judge, type Report } from './core/report.ts';
export { readJournal } from './journal/journal.ts';
export { renderJson } from './reporters/json.ts';
export type { Operator, OperatorPanel } from './verification/context.ts';
export { verify, type Verification, type VerifyHost } from './verification/verify.ts';
