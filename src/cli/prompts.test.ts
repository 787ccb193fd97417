import { describe, expect, test } from 'vitest';
import type { OperatorPanel } from '../verification/context.ts';
import { goneText, panelText } from './prompts.ts';

const PANEL: OperatorPanel = {
  attempt: 1,
  worker: { pid: 4001, command: 'node worker.js' },
  polite: false,
  refuted: null,
  gone: false,
  startCommand: 'npm run worker',
  held: true,
};

test('the panel says whom to kill, how, and what to start', () => {
  const text = panelText(PANEL);
  expect(text).toContain('ACTION REQUIRED: Kill and restart the worker now');
  expect(text).toContain('     pid 4001: node worker.js\n');
  expect(text).toContain('it would wait for its job):\n     kill -9 4001\n');
  expect(text).toContain('3. Start the worker again:\n     npm run worker\n');
  expect(text).not.toContain('Not accepted');
});

test('a worker that has gone is named, and what is left to do', () => {
  expect(goneText(PANEL)).toBe('Seen: pid 4001 is gone. Now start the worker again.');
  expect(goneText({ ...PANEL, worker: null })).toContain('the old worker is gone');
});

test('where a polite stop is verified it asks for one', () => {
  const text = panelText({ ...PANEL, polite: true, held: false });
  expect(text).toContain('ACTION REQUIRED: Stop and restart the worker now');
  expect(text).toContain('2. Stop it:\n     kill 4001\n');
  expect(text).toContain('Be quick');
});

describe('after an answer that was not accepted', () => {
  test('it says once what was seen, and then what to do', () => {
    const text = panelText({ ...PANEL, refuted: 'worker #1 lives on (pid 4001): it was not restarted' });
    expect(text.match(/Not accepted: worker #1 lives on \(pid 4001\): it was not restarted\./g)).toHaveLength(
      1,
    );
    expect(text).toContain('     kill -9 4001\n');
  });

  test('where the old worker is gone, only the start is asked for', () => {
    const refuted = 'no new worker is connected to the queue extraction';
    const text = panelText({ ...PANEL, refuted, gone: true });
    expect(text).toContain('ACTION REQUIRED: Start the worker again');
    expect(text).toContain(`Not accepted: ${refuted}.`);
    expect(text).toContain('     npm run worker\n');
    expect(text).not.toMatch(/kill|the job is held/);
  });
});

test.each([true, false])('keeps within 80 columns (held: %s)', (held) => {
  for (const worker of [PANEL.worker, null]) {
    const widest = Math.max(
      ...panelText({ ...PANEL, held, worker })
        .split('\n')
        .map((line) => line.length),
    );
    expect(widest).toBeLessThanOrEqual(80);
  }
});
