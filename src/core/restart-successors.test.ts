/** Who came after the worker that was struck, and when it was ready. */
import { describe, expect, test } from 'vitest';
import { inFlight, restarted, type RunBuilder } from '../testing/history-builder.ts';
import { restartFacts, type RestartFacts } from './restart.ts';

const OPERATOR = { restartBy: 'operator' } as const;

function factsOf(run: RunBuilder): RestartFacts {
  return restartFacts(run.history());
}

test('a write is before its worker was ready, whenever another was', () => {
  const run = inFlight().ready(1).strike().gone().starts(2).progress(40, 2);
  const booting = run.history().of('row:version').at(-1)!;
  expect(factsOf(run).isBeforeReady(booting)).toBe(false);
  const later = run.ready(2).progress(60, 2).history().of('row:version').at(-1)!;
  expect(factsOf(run).isBeforeReady(booting)).toBe(true);
  expect(factsOf(run).isBeforeReady(later)).toBe(false);
});

describe('who was there after it', () => {
  test('a worker that a person started is there when it is seen, the first one is none', () => {
    const run = inFlight(OPERATOR).starts(1).strike().gone();
    expect(factsOf(run).successor).toBeUndefined();
    expect(factsOf(run.starts(2)).successor).toMatchObject({ incarnation: 2 });
  });

  test('the struck worker’s own end is not its successor’s', () => {
    expect(factsOf(inFlight().exits(1, 1).strike().gone()).successorDied).toBeUndefined();
  });

  test('nor does one that died count where a later one lives', () => {
    const run = restarted().exits(2, 1);
    expect(factsOf(run).successorDied).toMatchObject({ incarnation: 2 });
    expect(factsOf(run.starts(3)).successorDied).toBeUndefined();
  });
});

describe('a new worker that does not become ready', () => {
  const notReady = (run: RunBuilder) => factsOf(run).successorNotReady?.incarnation;
  const started = (): RunBuilder => inFlight().ready(1).strike().gone().starts(2);

  test('was started after the struck one, and lives', () => {
    expect(notReady(inFlight().ready(1).strike().gone())).toBeUndefined();
    expect(notReady(started())).toBe(2);
    expect(notReady(started().ready(2))).toBeUndefined();
    expect(notReady(started().exits(2, 1))).toBeUndefined();
    expect(notReady(inFlight().strike().gone().starts(2))).toBeUndefined();
  });

  test('lives also where only the struck one had ended, or the run ended it', () => {
    expect(notReady(started().exits(1, 137))).toBe(2);
    const stopped = {
      kind: 'worker:exited',
      incarnation: 2,
      exitCode: null,
      signal: 'SIGTERM',
      expected: true,
      lastLine: null,
    } as const;
    expect(notReady(started().event(stopped))).toBe(2);
  });
});
