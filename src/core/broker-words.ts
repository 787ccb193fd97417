/** What a broker snapshot says, in words. */
import type { Due } from './event.ts';
import type { BrokerSnapshot } from './history.ts';

export function describeBroker(snapshot: BrokerSnapshot | undefined): string {
  if (snapshot === undefined) return 'the broker could not be asked';
  switch (snapshot.state) {
    case 'waiting':
      return 'the broker has it waiting';
    case 'active':
      return snapshot.owner === null
        ? 'the broker counts it as active'
        : `the broker counts it as held by ${snapshot.owner}`;
    case 'delayed':
      return 'the broker delays it';
    case 'ended':
      return 'the broker counts it as finished';
    case 'dead':
      return snapshot.failedReason === null
        ? 'the broker gave it up'
        : `the broker gave it up: ${snapshot.failedReason}`;
    case 'gone': {
      const further = snapshot.facts?.['further'];
      return further === undefined
        ? 'the broker keeps nothing of it'
        : `the broker keeps ${further} of the messages that it was split into`;
    }
    case 'unknown':
      return 'the broker does not tell';
  }
}

export function describeDue(due: Due, nowMs: number): string {
  switch (due.kind) {
    case 'now':
      return 'at once';
    case 'at':
      return `in about ${Math.max(0, (due.atMs - nowMs) / 1000).toFixed(1)} s`;
    case 'next-boot':
      return 'at the next start of a worker';
    case 'never':
      return 'never';
    case 'unknown':
      return 'at a time that the broker does not tell';
  }
}
