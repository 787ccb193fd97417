/** The moment of the strike as it is written on the command line. */
import type { StrikeAt } from '../config/settings.ts';

export function describeStrikeAt(strikeAt: StrikeAt): string {
  switch (strikeAt.kind) {
    case 'processing':
    case 'progress':
    case 'pending':
    case 'retrying':
      return strikeAt.kind;
    case 'progress-at':
      return `progress:${strikeAt.percent}%`;
    case 'after-processing':
      return `${strikeAt.delayMs}ms`;
  }
}
