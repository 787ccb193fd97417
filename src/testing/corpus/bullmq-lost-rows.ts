import { brokenBullmq } from './bullmq-rows.ts';
import type { CorpusRow } from './row.ts';

const NEVER_TAKEN = ['picked-up-again', 'reached-terminal'] as const;

export const BULLMQ_LOST_ROWS: readonly CorpusRow[] = [
  brokenBullmq('acked-before-done', { failing: NEVER_TAKEN, diagnosis: 'acked-before-done' }),
  brokenBullmq('acked-on-receipt', {
    failing: [...NEVER_TAKEN, 'witnesses-unharmed'],
    diagnosis: 'acked-before-done',
  }),
  brokenBullmq('popped-without-copy', { failing: NEVER_TAKEN, diagnosis: 'popped-without-copy' }),
  brokenBullmq('redelivered-but-skipped', { failing: NEVER_TAKEN, diagnosis: 'redelivered-but-skipped' }),
  brokenBullmq('stale-lock', { failing: ['reached-terminal'], diagnosis: 'stale-lock' }),
  brokenBullmq('stale-lock-at-boot', { failing: ['reached-terminal'], diagnosis: 'stale-lock' }),
  brokenBullmq('broker-gave-up-row-not-told', {
    failing: ['reached-terminal'],
    diagnosis: 'broker-gave-up-row-not-told',
  }),
  brokenBullmq('gave-up-after-two-crashes', {
    failing: ['reached-terminal'],
    diagnosis: 'broker-gave-up-row-not-told',
  }),
  brokenBullmq('retry-in-memory', {
    failing: ['reached-terminal', 'backoff-honoured'],
    diagnosis: 'retry-in-memory',
  }),
  brokenBullmq('loaded-at-boot-only', { failing: NEVER_TAKEN, diagnosis: 'loaded-at-boot-only' }),
  brokenBullmq('never-reclaimed', { failing: NEVER_TAKEN, diagnosis: 'never-reclaimed' }),
  brokenBullmq('claim-tied-to-name', { failing: NEVER_TAKEN, diagnosis: 'claim-tied-to-name' }),
  brokenBullmq('slot-left-behind', { failing: ['witnesses-unharmed'], diagnosis: 'slot-left-behind' }),
  brokenBullmq('lost-in-shutdown-window', {
    failing: ['witnesses-unharmed'],
    diagnosis: 'lost-in-shutdown-window',
  }),
  brokenBullmq('group-waits-for-the-dead', {
    failing: ['reached-terminal'],
    diagnosis: 'group-waits-for-the-dead',
  }),
  brokenBullmq('deleted-at-boot', { failing: ['job-persisted'], diagnosis: 'deleted-at-boot' }),
  brokenBullmq('acked-on-shutdown', { failing: NEVER_TAKEN, diagnosis: 'acked-on-shutdown' }),
  brokenBullmq('child-death-acked', { failing: ['picked-up-again'], diagnosis: 'child-death-acked' }),
  brokenBullmq('grace-shorter-than-drain', { failing: NEVER_TAKEN, diagnosis: 'grace-shorter-than-drain' }),
].flat();
