import { expect, test } from 'vitest';
import { handedOver, restarted } from '../../testing/history-builder.ts';
import { judgedAs, statusesOf } from '../../testing/judged.ts';
import { judge } from '../report.ts';

const OF_CHANGES = ['progress-monotonic', 'single-writer', 'terminal-is-final', 'retries-accounted'];

test.each(OF_CHANGES)('%s: under polling nothing spoke against it, which is no pass', (id) => {
  expect(judgedAs(handedOver({ source: 'poll' }).end(), id)).toMatch(/^skipped .* unseen-by-polling$/);
  expect(judgedAs(handedOver().end(), id)).toMatch(/^passed /);
});

test('what was seen under polling counts: a pass of the others is a pass, a failure is one', () => {
  const polled = judge(handedOver({ source: 'poll' }).end());
  expect(polled.verdict).toBe('passed');
  const again = restarted({ source: 'poll' }).picksUp(2, { progress: 0 }).progress(40).completed().end();
  expect(statusesOf(again)['progress-monotonic']).toBe('failed');
});
