import { describe, expect, test } from 'vitest';
import { inFlight, type RunBuilder, type RunOptions } from '../testing/history-builder.ts';
import { artefactsOfHold, doubtOfHold } from './hold.ts';
import { changesOf } from './history.ts';

function held(options: RunOptions = {}): RunBuilder {
  const run = inFlight({ restartBy: 'operator', named: false, ...options });
  return run.event({ kind: 'hold:placed', job: 'job-1', backendPid: 1 }).strike();
}

function lastBackend(run: RunBuilder): number {
  return run.history().of('row:version').at(-1)!.writer?.backendPid ?? 0;
}

function released(run: RunBuilder, ...leftBackends: readonly number[]): RunBuilder {
  return run.event({
    kind: 'hold:released',
    job: 'job-1',
    heldMs: 5,
    terminatedBackends: [],
    leftBackends,
  });
}

describe('what it kept back and let through by its release', () => {
  const artefacts = (run: RunBuilder): readonly number[] => [...artefactsOfHold(run.history())];

  test('the first write of a backend that could not be ended, after its worker was gone', () => {
    const run = held().progress(30, 1).gone().progress(40, 1);
    const { seq } = run.events.at(-1)!;
    const backend = lastBackend(run);
    expect(artefacts(released(run.progress(60, 1), backend))).toEqual([seq]);
  });

  test('under polling the first change', () => {
    const run = held({ source: 'poll' }).gone().progress(40, 1);
    const { seq } = run.events.at(-1)!;
    expect(artefacts(released(run, 7001))).toEqual([seq]);
  });

  test('nothing of another backend or of another job', () => {
    const run = held().gone().progress(40, 2);
    expect(artefacts(released(run, 7001))).toEqual([]);
    const other = held().gone().job('witness-waiting').progress(40, 1);
    expect(artefacts(released(other.of('subject'), lastBackend(other)))).toEqual([]);
  });

  test('nothing where no worker was seen to go, or nothing was written', () => {
    expect(artefacts(released(held().progress(40, 1), 7001))).toEqual([]);
    expect(artefacts(released(held().gone(), 7001))).toEqual([]);
  });
});

describe('the doubt that it leaves', () => {
  const doubt = (run: RunBuilder) => {
    const history = run.history();
    return doubtOfHold(history, changesOf(history, 'job-1'));
  };

  test('an error by which a statement says that it waited too long, cut to what one reads', () => {
    const error = `canceling statement due to lock timeout${' '.repeat(200)}`;
    expect(doubt(held().gone().starts(2).picksUp(2).failed(error))).toEqual({
      code: 'hold-hurt',
      error: error.slice(0, 200),
    });
  });

  test('none of an error of before, or of another kind', () => {
    expect(doubt(held().failed('no such file', 1))).toBeUndefined();
    const before = inFlight({ restartBy: 'operator' }).row({ error: 'lock timeout' }, 1);
    const placed = before.event({ kind: 'hold:placed', job: 'job-1', backendPid: 1 });
    expect(doubt(placed.row({ error: null }, 1))).toBeUndefined();
    expect(doubt(inFlight().failed('lock timeout', 1))).toBeUndefined();
  });
});
