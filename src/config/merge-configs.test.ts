import { expect, it } from 'vitest';
import { mergeConfigs } from './merge-configs.ts';

it('merges sections key by key and takes the last of everything else', () => {
  const ready = /ready/;
  expect(
    mergeConfigs(
      { files: 5, jobs: { table: 'a.b', columns: { owner: 'owner', leaseUntil: 'until' } } },
      { worker: { readyPattern: ready }, scenarios: { mine: [{ stop: 'SIGKILL' }] } },
      { files: 3, jobs: { columns: { leaseUntil: null } }, scenarios: { mine: [{ start: true }] } },
    ),
  ).toEqual({
    files: 3,
    jobs: { table: 'a.b', columns: { owner: 'owner', leaseUntil: null } },
    worker: { readyPattern: ready },
    scenarios: { mine: [{ start: true }] },
  });
});

it('takes what is undefined for not said', () => {
  expect(mergeConfigs({ strikeAt: '2s' }, { strikeAt: undefined })).toEqual({ strikeAt: '2s' });
});
