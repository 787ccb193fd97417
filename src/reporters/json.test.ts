import { describe, expect, test } from 'vitest';
import { judge } from '../core/report.ts';
import { handedOver, inFlight, restarted, type RunBuilder } from '../testing/history-builder.ts';
import { renderJson } from './json.ts';

function jsonOf(run: RunBuilder, exitCode: number): Record<string, unknown> {
  return JSON.parse(renderJson([judge(run.end())], exitCode)) as Record<string, unknown>;
}

describe('the public form, version 1', () => {
  const report = jsonOf(handedOver(), 0);

  test('has these keys', () => {
    expect(Object.keys(report)).toEqual([
      'schemaVersion',
      'tool',
      'runId',
      'verdict',
      'exitCode',
      'scenario',
      'strikeAt',
      'outcome',
      'target',
      'job',
      'timings',
      'criteria',
      'diagnosis',
      'workers',
      'journal',
    ]);
    expect(Object.keys(report['job'] as object)).toEqual([
      'id',
      'files',
      'finalStatus',
      'progress',
      'retryCount',
      'taskId',
    ]);
    expect(Object.keys(report['timings'] as object)).toEqual([
      'toProcessingMs',
      'downtimeMs',
      'recoveryMs',
      'restartToTerminalMs',
      'totalMs',
    ]);
    expect(Object.keys((report['workers'] as object[])[0]!)).toEqual([
      'incarnation',
      'pid',
      'startedAt',
      'stoppedAt',
      'signal',
    ]);
  });

  test('has these values', () => {
    expect(report).toMatchObject({
      schemaVersion: 1,
      tool: { name: 'verify-restart', version: '0.0.0' },
      runId: '20260131-120000-abcdef',
      verdict: 'passed',
      exitCode: 0,
      scenario: 'crash',
      strikeAt: 'progress',
      outcome: 'handed-over',
      target: { table: 'public.jobs', queue: 'bullmq', backend: 'redis' },
      job: {
        id: 'job-1',
        files: 5,
        finalStatus: 'completed',
        progress: 100,
        retryCount: 0,
        taskId: 'task-of-2',
      },
      diagnosis: [],
      journal: '.verify-restart/20260131-120000-abcdef/journal.ndjson',
    });
  });

  test('a criterion has its evidence in sentences', () => {
    expect((report['criteria'] as unknown[])[1]).toEqual({
      id: 'picked-up-again',
      title: 'picked up by a new worker',
      status: 'passed',
      level: 'required',
      evidence: ['worker #2, 70 ms after the restart'],
    });
  });
});

test('a diagnosis has its remedy and its page', () => {
  const report = jsonOf(inFlight().strike().gone().starts(2).exits(2, 1, 'no such file'), 1);
  expect(report).toMatchObject({ verdict: 'failed', exitCode: 1, outcome: 'lost' });
  expect(report['diagnosis']).toMatchObject([
    {
      id: 'successor-died',
      title: 'the new worker ended by itself',
      evidence: ['worker #2 ended with exit code 1', 'the last line of its output: no such file'],
      docs: 'docs/diagnoses.md#successor-died',
    },
  ]);
});

test('a run without a verdict says why', () => {
  const run = restarted().event({ kind: 'run:aborted', reason: 'interrupted', text: 'interrupted' });
  expect(jsonOf(run, 130)).toMatchObject({
    verdict: 'error',
    exitCode: 130,
    error: { reason: 'interrupted', text: 'interrupted' },
  });
});

test('several runs stand in one object', () => {
  const reports = [judge(handedOver().end()), judge(restarted().timesOut().end())];
  expect(JSON.parse(renderJson(reports, 1))).toMatchObject({
    schemaVersion: 1,
    exitCode: 1,
    runs: [{ verdict: 'passed' }, { verdict: 'failed' }],
  });
});

test('ends with a line feed, and with it alone', () => {
  expect(renderJson([judge(handedOver().end())], 0)).toMatch(/[^\n]\n$/);
});
