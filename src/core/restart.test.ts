/** The facts of the restart one by one: criteria and diagnoses rest on them, and would only show that something is wrong. */
import { describe, expect, test } from 'vitest';
import { aRun, handedOver, inFlight, restarted, type RunBuilder } from '../testing/history-builder.ts';
import type { Event, MessageState, QueueFacts } from './event.ts';
import { createHistory, type History } from './history.ts';
import { endedByOldWorker, isDrain, restartFacts, writesAfterGone, type RestartFacts } from './restart.ts';

const OPERATOR = { restartBy: 'operator' } as const;

function factsOf(run: RunBuilder): RestartFacts {
  return restartFacts(run.history());
}

/** The history without some of its events. */
function without(history: History, ...kinds: readonly Event['kind'][]): History {
  return createHistory(history.events.filter(({ kind }) => !kinds.includes(kind)));
}

test('an empty history has no facts, and is taken for a crash', () => {
  const facts = restartFacts(createHistory([]));
  expect(facts).toMatchObject({ versions: [], changes: [], snapshots: [], polite: false, inFlight: false });
  expect(writesAfterGone(facts)).toEqual([]);
  expect(isDrain(facts)).toBe(false);
});

describe('who went, and what was seen right after it', () => {
  test('another worker that goes is not the one that was struck', () => {
    const run = inFlight().strike();
    run.event({ kind: 'worker:gone', incarnation: 2, proof: 'processes', connectionsGone: true });
    expect(factsOf(run).gone).toBeUndefined();
  });

  test('the first look at the row after it, not one before it and not a write', () => {
    const run = inFlight().reads().strike();
    run.event({ kind: 'worker:gone', incarnation: 1, proof: 'processes', connectionsGone: true });
    const facts = factsOf(run.progress(30, 2).reads().progress(40, 2).reads());
    expect(facts.afterGone).toMatchObject({ source: 'read', values: { progress: 30 } });
    expect(factsOf(inFlight().strike().reads()).afterGone).toBeUndefined();
  });

  test('the broker as only the struck worker could have left it', () => {
    const looks = { deliveries: 2, owner: 'token-of-2' };
    const byHarness = factsOf(inFlight().strike().broker(looks).gone());
    expect(byHarness.heldByStruck).toBe(byHarness.brokerAfterGone);
    // A person may have started the next one before the old one was seen to have gone.
    const byPerson = factsOf(inFlight(OPERATOR).strike().broker(looks).gone());
    expect(byPerson.heldByStruck).toBe(byPerson.brokerBefore);
    expect(byPerson.heldByStruck).toMatchObject({ deliveries: 1 });
  });

  describe('a look at the broker that tells nothing', () => {
    const goneWith = (...looks: readonly ((run: RunBuilder) => RunBuilder)[]) => {
      const run = inFlight().looks().strike();
      run.event({ kind: 'worker:gone', incarnation: 1, proof: 'processes', connectionsGone: true });
      return factsOf(looks.reduce((before, look) => look(before), run)).brokerAfterGone?.state;
    };
    const tells = (state: MessageState) => (run: RunBuilder) => run.broker({ state });
    const next = (run: RunBuilder): RunBuilder => run.starts(2).ready(2);

    test('gives way to the next one that does, as long as nobody else has come', () => {
      expect(goneWith(tells('unknown'), tells('waiting'), tells('dead'))).toBe('waiting');
      expect(goneWith(tells('unknown'), tells('waiting'), next, tells('active'))).toBe('waiting');
    });

    test('stands where the next worker may have had the job by then, or no other look came', () => {
      expect(goneWith(tells('unknown'), next, tells('waiting'))).toBe('unknown');
      expect(goneWith(tells('unknown'))).toBe('unknown');
      expect(goneWith()).toBeUndefined();
    });
  });

  test('its main process, not that of a worker before it', () => {
    const run = inFlight();
    const processes = (incarnation: number): RunBuilder =>
      run.event({ kind: 'worker:processes', incarnation, mainPid: 4000 + incarnation, processes: [] });
    processes(1);
    processes(2).event({
      kind: 'fault:injected',
      fault: 'SIGKILL (tree)',
      incarnation: 2,
      signal: 'SIGKILL',
      reach: 'tree',
      pids: [4002],
    });
    expect(factsOf(run).mainPid).toBe(4002);
  });

  test('where the broker was not asked before, nothing is said of deliveries', () => {
    const { events } = restarted(OPERATOR).picksUp(2).completed().end();
    const asked = events.findIndex(({ kind }) => kind === 'operator:asked');
    const late = events.filter(({ kind }, index) => kind !== 'broker:snapshot' || index > asked);
    const facts = restartFacts(createHistory(late));
    expect(facts.brokerBefore).toBeUndefined();
    expect(facts.changes.map((version) => facts.isUndelivered(version))).not.toContain(true);
  });
});

test('a job that waits for its children is worked on by their messages, not by one that is handed out', () => {
  const undelivered = (facts: QueueFacts): boolean => {
    const run = restarted().progress(40, 2);
    const version = run.history().of('row:version').at(-1)!;
    return factsOf(run.wait(30).broker({ facts })).isUndelivered(version);
  };
  expect(undelivered({})).toBe(true);
  expect(undelivered({ waitsForChildren: true })).toBe(false);
});

test('the files are the subject’s, whatever jobs there are beside it', () => {
  expect(factsOf(aRun().job('witness-ended').job()).items).toBe(5);
});

describe('the beginning of a person’s restart', () => {
  test('is the panel', () => {
    expect(factsOf(restarted(OPERATOR)).begun?.seq).toBeLessThan(factsOf(restarted(OPERATOR)).gone!.seq);
  });

  test('or the end of the worker, where nobody had been asked', () => {
    const run = inFlight(OPERATOR).gone();
    const facts = factsOf(run);
    expect(facts.begun).toBe(facts.gone);
    expect(factsOf(inFlight(OPERATOR)).begun).toBeUndefined();
  });
});

describe('a polite end', () => {
  test('is a drain only of a job that the old worker ended', () => {
    const stopped = inFlight({ polite: true }).strike();
    expect(isDrain(factsOf(stopped.gone()))).toBe(false);
    expect(isDrain(factsOf(stopped.starts(2).picksUp(2).completed()))).toBe(false);
    expect(isDrain(factsOf(inFlight({ polite: true }).strike().completed().gone()))).toBe(true);
  });
});

test('what had ended before is the old worker’s doing, whoever wrote it', () => {
  expect(endedByOldWorker(factsOf(inFlight().completed('psql').strike()))).toBe(true);
  expect(endedByOldWorker(factsOf(restarted().completed('psql')))).toBe(false);
});

describe('whether the job had ended before', () => {
  test('by the order of what was recorded, also of a person’s restart', () => {
    const facts = factsOf(inFlight(OPERATOR).completed().strike());
    expect(facts).toMatchObject({ endedBefore: true, inFlight: false });
    expect(endedByOldWorker(facts)).toBe(true);
  });

  test('by the clocks only of a fault, whose moment is known', () => {
    const late = (run: RunBuilder): History => {
      const { events } = run.completed(1).history();
      return createHistory(
        events.map((event) =>
          event.kind === 'row:version' && event.values?.state === 'completed'
            ? { ...event, databaseAtMs: event.databaseAtMs - 200 }
            : event,
        ),
      );
    };
    expect(restartFacts(late(inFlight().strike()))).toMatchObject({ endedBefore: true, inFlight: false });
    expect(restartFacts(late(inFlight(OPERATOR).strike())).endedBefore).toBe(false);
    // Without a comparison of the clocks the order decides.
    expect(restartFacts(without(late(inFlight().strike()), 'clock:measured')).endedBefore).toBe(false);
  });
});

describe('whether it was in flight', () => {
  test('never without a restart, whatever the moment of the strike', () => {
    expect(factsOf(aRun({ strikeAt: 'pending' }).job().submitted()).inFlight).toBe(false);
  });

  test('not where the last look had it ended or gone, though the broker still held it', () => {
    const ended = inFlight().row({ status: 'completed' }, 1).reads();
    const unrecorded = ended
      .history()
      .events.filter(
        (event) =>
          event.kind !== 'row:version' || event.source === 'read' || event.values?.state !== 'completed',
      );
    const struck = inFlight().strike().history().events.slice(-1);
    const events = [...unrecorded, ...struck].map((event, seq) => ({ ...event, seq }));
    expect(restartFacts(createHistory(events))).toMatchObject({ endedBefore: false, inFlight: false });
    expect(factsOf(inFlight().deletes(1).strike()).inFlight).toBe(false);
  });

  test('pending: by a submission of this job whose arrival is certain, or that the broker has', () => {
    const at = (certainty: 'certain' | 'uncertain', broker: boolean): RunBuilder =>
      aRun({ strikeAt: 'pending', broker }).job().submitted(certainty);
    expect(factsOf(at('certain', false).strike()).inFlight).toBe(true);
    expect(factsOf(at('uncertain', false).strike()).inFlight).toBe(false);
    expect(factsOf(at('uncertain', true).broker({ state: 'unknown' }).strike()).inFlight).toBe(false);
    const witness = aRun({ strikeAt: 'pending' }).job().job('witness-waiting').submitted().of('subject');
    expect(factsOf(witness.strike()).inFlight).toBe(false);
  });

  test('retrying: by a row that counts a failure, or by the broker’s delay of a row that is there', () => {
    const at = (retryCount: number) =>
      aRun({ strikeAt: 'retrying', broker: false }).job().submitted().row({ retryCount }, 1).strike();
    expect(factsOf(at(1)).inFlight).toBe(true);
    expect(factsOf(at(0)).inFlight).toBe(false);
    const delayed = aRun({ strikeAt: 'retrying' }).job().submitted().broker({ state: 'delayed' }).strike();
    expect(factsOf(delayed).inFlight).toBe(true);
    expect(restartFacts(without(delayed.history(), 'row:version')).inFlight).toBe(false);
  });
});

test('what escaped the observer in another job does not matter', () => {
  const run = handedOver().event({
    kind: 'observer:checked',
    job: 'job-ended',
    complete: false,
    versions: 1,
  });
  expect(restartFacts(run.end()).observedToEnd).toBe(true);
});

describe('writes of the struck worker after it was gone', () => {
  test('one is enough where its connections were gone too', () => {
    expect(writesAfterGone(factsOf(restarted().progress(40, 1)))).toHaveLength(1);
  });

  test('each connection that the server had not ended may finish one transaction', () => {
    const run = inFlight({ named: false }).progress(25, 'second pool').strike().gone('processes', false);
    run.progress(40, 1).progress(50, 'second pool');
    expect(writesAfterGone(factsOf(run))).toEqual([]);
    expect(writesAfterGone(factsOf(run.progress(60, 'second pool')))).toHaveLength(1);
  });

  test('none under polling, where no writer is seen, and none before a worker went', () => {
    expect(writesAfterGone(factsOf(restarted({ source: 'poll' }).progress(40, 1)))).toEqual([]);
    expect(writesAfterGone(factsOf(inFlight().strike().progress(40, 1)))).toEqual([]);
  });
});
