/** What every kind of queue must do, tried on real brokers and real workers. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { BrokerState } from '../core/event.ts';
import { UserError } from '../core/errors.ts';
import { LAB_TASK, postgresLab, redisLab } from '../testing/bullmq-lab.ts';
import { celeryRabbitmqLab, celeryRedisLab, LAB_VISIBILITY_MS } from '../testing/celery-lab.ts';
import { CELERY_PYTHON } from '../testing/celery-worker.ts';
import { apiLab, LAB_TOKEN, type ApiLab } from '../testing/http-lab.ts';
import { HAS_RABBITMQ } from '../testing/rabbitmq.ts';
import { LAB_INTERVAL_MS, LAB_LOCK_MS, type QueueLab } from '../testing/queue-lab.ts';
import { REDIS_SERVER } from '../testing/servers.ts';
import type { MessageRef, Queue, Submission } from './queue.ts';

interface Kind {
  readonly kind: string;
  readonly lab: () => Promise<QueueLab>;
  /** What it needs is on this machine. */
  readonly here: boolean;
}

const KINDS: readonly Kind[] = [
  { kind: 'bullmq on redis', lab: redisLab, here: REDIS_SERVER !== null },
  { kind: 'bullmq on postgres', lab: postgresLab, here: true },
  { kind: 'celery on redis', lab: celeryRedisLab, here: REDIS_SERVER !== null && CELERY_PYTHON !== null },
  { kind: 'celery on rabbitmq', lab: celeryRabbitmqLab, here: HAS_RABBITMQ && CELERY_PYTHON !== null },
];

describe.each(KINDS.filter(({ here }) => here))('$kind', ({ lab: openLab }) => {
  let lab: QueueLab;
  const submissionOf = (fields: Readonly<Record<string, unknown>>): Submission => {
    const job = randomUUID();
    return {
      job,
      messageId: randomUUID(),
      task: LAB_TASK,
      payload: lab.payload({ jobId: job, ...fields }),
    };
  };
  /** A number where the kind counts, else nothing. */
  const counted = (count: number): number | null => (lab.tells.messages ? count : null);
  beforeAll(async () => {
    lab = await openLab();
  }, 30_000);
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  it('tells which server it is, and no secret', async () => {
    await using queue = await lab.open('ping');
    const info = await queue.ping();
    expect(info.server).toMatch(/^\w+ \d+\.\d+/);
    expect(info.address).toContain('127.0.0.1:');
    expect(JSON.stringify(info)).not.toContain('secret');
  });

  it('hands a message to the worker as it was submitted', async () => {
    await using queue = await lab.open('submit');
    const fields = { filePaths: ['/tmp/a b.pdf'], options: { umlaut: 'ü' } };
    const submission = submissionOf(fields);
    expect(await queue.submit(submission)).toEqual({
      messageId: submission.messageId,
      certainty: 'certain',
    });
    expect(await queue.inspect(submission)).toMatchObject({
      state: 'waiting',
      owner: null,
      due: { kind: 'now' },
      deliveries: lab.tells.deliveries ? 0 : null,
      messages: counted(1),
    });
    await using worker = await lab.worker('submit');
    expect(JSON.parse(await worker.started(submission.messageId))).toEqual({
      name: submission.task,
      data: { jobId: submission.job, ...fields },
    });
  });

  it('lists the consumers of its own queue, named or not, and not itself', async () => {
    await using queue = await lab.open('consumers');
    expect(await queue.consumers()).toEqual([]);
    const workers = await Promise.all([
      lab.worker('consumers-of-another'),
      lab.worker('consumers'),
      lab.worker('consumers', 'w-1'),
    ]);
    const consumers = await until(
      async () => (await queue.consumers()) ?? [],
      (list) => list.length === (lab.tells.queues ? 2 : 3),
    );
    expect(new Set(consumers.map(({ id }) => id)).size).toBe(consumers.length);
    expect(consumers.filter(({ name }) => name.endsWith(':w:w-1'))).toHaveLength(lab.tells.names ? 1 : 0);
    // What leads to its process: its port, else what it says itself.
    const pids = workers.map(({ pid }) => pid);
    expect(
      consumers.filter(({ address, port, pid }) =>
        port === null ? pid === null || !pids.includes(pid) : address !== '127.0.0.1',
      ),
    ).toEqual([]);
    // Those of another queue alone are nobody's.
    await Promise.all(workers.slice(1).map((worker) => worker.kill()));
    await until(
      async () => (await queue.consumers()) ?? [],
      (list) => list.length === 0,
    );
    // Another worker of the same name is another consumer.
    await using again = await lab.worker('consumers', 'w-1');
    const known = consumers.map(({ id }) => id);
    await until(
      async () => (await queue.consumers()) ?? [],
      (list) => list.some(({ id }) => !known.includes(id)),
    );
    await again.kill();
    await Promise.all(workers.map((worker) => worker.kill()));
    await until(
      async () => (await queue.consumers()) ?? [],
      (list) => list.length === 0,
    );
  });

  it('shows who holds a job, until when, and that another worker is handed it in the time foretold', async ({
    skip,
  }) => {
    if (lab.tells.recovery !== 'lock') skip('another kind of recovery');
    await using queue = await lab.open('crash');
    await using first = await lab.worker('crash');
    const submission = submissionOf({});
    await queue.submit(submission);
    await first.started(submission.messageId);
    const held = await active(queue, submission);
    expect(held).toMatchObject({ state: 'active', deliveries: 1, stalls: 0, messages: 1 });
    expect(held.owner).toEqual(expect.any(String));
    // Long enough for two looks, which is how often stalled jobs are looked for where that is not stored.
    await until(
      () => active(queue, submission),
      ({ due }) => due.kind === 'at',
    );

    await first.kill();
    const left = await active(queue, submission);
    expect(left.owner).toBe(held.owner);
    await using second = await lab.worker('crash');
    const readyMs = performance.now();
    const estimate = await queue.estimateRecovery(submission);
    const looks: BrokerState[] = [];
    let again = await active(queue, submission);
    while (again.deliveries === 1) {
      looks.push(again);
      await pause(10);
      again = await active(queue, submission);
    }
    const handedOutMs = performance.now();
    await second.started(submission.messageId);
    expect(again).toMatchObject({ deliveries: 2, stalls: 1 });
    expect(again.owner).not.toBe(held.owner);

    expect(estimate?.because).toMatch(/every 0\.[456] s/);
    expect(handedOutMs - readyMs).toBeLessThanOrEqual(estimate?.atMostMs ?? 0);
    expect(estimate?.atMostMs).toBeLessThanOrEqual(LAB_LOCK_MS + 2 * LAB_INTERVAL_MS + 1_500);
    // Between the recovery and the pick-up it waits for a moment.
    const dues = looks
      .filter(({ state }) => state === 'active')
      .map(({ due }) => (due.kind === 'at' ? due.atMs : Infinity));
    expect(Math.max(...dues), 'the earliest time foretold is not after the actual one').toBeLessThan(
      handedOutMs + CLOCK_TOLERANCE_MS,
    );
    expect(Math.max(...dues), 'and no more than a look too early').toBeGreaterThan(
      handedOutMs - LAB_INTERVAL_MS - CLOCK_TOLERANCE_MS,
    );
  });

  it('shows who holds a job without a lock, and that the next worker is handed it in the time foretold', async ({
    skip,
  }) => {
    const { recovery } = lab.tells;
    if (recovery === 'lock') skip('another kind of recovery');
    await using queue = await lab.open('crash');
    await using first = await lab.worker('crash', 'same');
    await consumed(queue);
    const submission = submissionOf({});
    await queue.submit(submission);
    await first.started(submission.messageId);
    const held = await until(
      () => active(queue, submission),
      ({ state, owner }) => state === 'active' && owner !== null,
    );
    expect(held).toMatchObject({ owner: expect.stringMatching(/^same@/), messages: counted(1) });
    const lockLeftMs = held.lockUntilMs === null ? null : held.lockUntilMs - performance.now();
    expect(lockLeftMs === null).toBe(recovery === 'connection');
    expect(lockLeftMs ?? 0).toBeLessThan(LAB_VISIBILITY_MS + CLOCK_TOLERANCE_MS);
    expect(held.due.kind).toBe(recovery === 'visibility' ? 'at' : 'now');

    await first.kill();
    const left = await until(
      () => active(queue, submission),
      ({ state, due, owner }) =>
        owner === null && (recovery === 'visibility' ? due.kind === 'next-boot' : state === 'waiting'),
    );
    expect(left).toMatchObject({ owner: null, messages: counted(1) });
    await using second = await lab.worker('crash', 'same');
    const estimate = await queue.estimateRecovery(submission);
    const askedMs = performance.now();
    await second.started(submission.messageId);
    expect(performance.now() - askedMs).toBeLessThanOrEqual((estimate?.atMostMs ?? 0) + CLOCK_TOLERANCE_MS);
    const again = await until(
      () => active(queue, submission),
      ({ state, owner }) => state === 'active' && owner !== null,
    );
    expect(again.owner).toMatch(/^same@/);
    expect(again.owner, 'the name of two lives is the same, the holder is not').not.toBe(held.owner);
  });

  it('shows ended, failed, delayed and unknown messages', async () => {
    await using queue = await lab.open('states');
    await using worker = await lab.worker('states');
    const [ended, dead, delayed] = [submissionOf({}), submissionOf({}), submissionOf({})];
    for (const submission of [ended, dead, delayed]) await queue.submit(submission);
    for (const [submission, order] of [
      [ended, 'complete'],
      [dead, 'fail'],
      [delayed, 'delay'],
    ] as const) {
      await worker.started(submission.messageId);
      worker.tell(submission.messageId, order);
    }
    await worker.ended(dead.messageId);
    await queue.consumers();
    expect(await queue.inspect(ended)).toMatchObject({
      state: lab.tells.ends ? 'ended' : 'gone',
      due: { kind: 'never' },
      messages: counted(0),
    });
    expect(await queue.inspect(dead)).toMatchObject({
      state: lab.tells.ends ? 'dead' : 'gone',
      due: { kind: 'never' },
      failedReason: lab.tells.ends ? 'told to fail' : null,
      deliveries: lab.tells.deliveries ? 1 : null,
      messages: counted(0),
    });
    const waits = await until(
      async () => queue.inspect(delayed),
      (state) => state?.state === 'delayed',
    );
    expect(waits?.messages).toBe(counted(1));
    expect(waits?.due.kind === 'at' ? waits.due.atMs - performance.now() : 0).toBeGreaterThan(50_000);
    // Celery's estimate is about the death of the holder, not about the wait of the retry.
    const atLeastMs = lab.tells.recovery === 'lock' ? 50_000 : 0;
    expect((await queue.estimateRecovery(delayed))?.atMostMs).toBeGreaterThan(atLeastMs);
    expect(await queue.inspect(submissionOf({}))).toMatchObject({
      state: 'gone',
      owner: null,
      lockUntilMs: null,
      due: { kind: 'never' },
      deliveries: null,
      stalls: null,
      failedReason: null,
      messages: counted(0),
    });
  });

  it('counts further messages of the job, and nothing else', async ({ skip }) => {
    if (!lab.tells.messages) skip('this broker shows no message without handing it out');
    await using queue = await lab.open('messages');
    const submission = submissionOf({});
    await queue.submit(submission);
    await lab.send('messages', 'other-job', LAB_TASK, { jobId: randomUUID(), about: submission.job });
    await lab.send('messages', 'child', 'extract_pdf', { jobId: submission.job, file: 1 });
    expect((await queue.inspect(submission))?.messages).toBe(1);
    await lab.send('messages', 'again', LAB_TASK, { jobId: submission.job, filePaths: [] });
    expect((await queue.inspect(submission))?.messages).toBe(2);
    await lab.send('messages', 'later', LAB_TASK, { jobId: submission.job }, { delayMs: 60_000 });
    expect((await queue.inspect(submission))?.messages).toBe(3);
    await queue.purge(submission);
    expect(await queue.inspect(submission)).toMatchObject({ state: 'gone', messages: 2 });
  });

  it('changes nothing by looking', async () => {
    await using queue = await lab.open('look');
    const [orphan, waiting] = [submissionOf({}), submissionOf({})];
    await queue.submit(orphan);
    const worker = await lab.worker('look');
    await consumed(queue);
    await worker.started(orphan.messageId);
    await worker.kill();
    await queue.submit(waiting);
    // Past the lock and the throttle: a look of ours that recovered anything would show.
    await until(
      () => active(queue, orphan),
      ({ lockUntilMs }) => lockUntilMs === null || lockUntilMs < performance.now(),
    );
    await pause(LAB_INTERVAL_MS);
    const before = await lab.content('look');
    expect(before).toContain(orphan.messageId);
    await using fresh = await lab.open('look');
    for (const each of [queue, fresh]) {
      await each.ping();
      await each.consumers();
      await each.absentKeys();
      for (const message of [orphan, waiting, submissionOf({})]) {
        await each.inspect(message);
        await each.estimateRecovery(message);
      }
    }
    expect(await lab.content('look')).toBe(before);
    expect(await queue.inspect(orphan)).toMatchObject(
      lab.tells.deliveries
        ? { state: 'active', deliveries: 1, stalls: 0 }
        : { state: lab.tells.recovery === 'connection' ? 'waiting' : 'active' },
    );
  });

  it('purges a message in whatever state, twice, and no other', async () => {
    await using queue = await lab.open('purge');
    const other = submissionOf({});
    const messages = [submissionOf({}), submissionOf({}), submissionOf({}), submissionOf({})];
    const [held, ended, dead, delayed] = messages;
    await using worker = await lab.worker('purge');
    for (const submission of [ended, dead, delayed, held]) await queue.submit(submission!);
    for (const [submission, order] of [
      [ended, 'complete'],
      [dead, 'fail'],
      [delayed, 'delay'],
    ] as const) {
      await worker.started(submission!.messageId);
      worker.tell(submission!.messageId, order);
    }
    await worker.started(held!.messageId);
    await worker.kill();
    await queue.submit(other);
    for (const message of [...messages, ...messages]) await queue.purge(message);
    const content = await lab.content('purge');
    for (const { messageId } of messages) {
      expect(content).not.toContain(messageId);
      expect(content).not.toContain(Buffer.from(messageId).toString('hex'));
    }
    expect(await queue.inspect(other)).toMatchObject({ state: 'waiting', messages: counted(1) });
  });

  it('leaves nothing of a run on a queue that was not there before', async () => {
    await using queue = await lab.open('fresh');
    const absent = await queue.absentKeys();
    expect(absent.length).toBeGreaterThan(0);
    const submission = submissionOf({});
    await queue.submit(submission);
    const worker = await lab.worker('fresh');
    await worker.started(submission.messageId);
    worker.tell(submission.messageId, 'complete');
    await worker.ended(submission.messageId);
    await queue.purge(submission);
    const written = await lab.content('fresh');
    expect(written).not.toBe('');

    await queue.removeKeys(absent);
    expect(await lab.content('fresh'), 'a consumer is connected').not.toBe('');
    await worker.kill();
    await queue.removeKeys([]);
    expect(await lab.content('fresh'), 'nothing was absent').not.toBe('');
    await lab.send('fresh', 'foreign', 'other', {});
    await queue.removeKeys(absent);
    expect(await lab.content('fresh'), 'a message of somebody else').toContain('foreign');
    await queue.purge({ job: 'foreign', messageId: 'foreign' });
    await queue.removeKeys(absent);
    expect(await lab.content('fresh')).toBe('');
  });

  it('says uncertain when the answer of a submit never comes, and can clean up after it', async () => {
    await using queue = await lab.open('uncertain', { requestTimeoutMs: 300 });
    await queue.ping();
    const submission = submissionOf({});
    const outcome = await lab.breakOff(() => queue.submit(submission));
    expect(outcome).toMatchObject({ messageId: submission.messageId, certainty: 'uncertain' });
    expect(outcome.problem).toMatch(/did not answer in time|was lost/);
    await queue.purge(submission);
    expect(await queue.inspect(submission)).toMatchObject({ state: 'gone' });
  });

  it('leaves nothing of its own when it is closed', async () => {
    const worker = await lab.worker('own');
    const queue = await lab.open('own');
    await queue.consumers();
    await queue.inspect(submissionOf({}));
    await queue[Symbol.asyncDispose]();
    await worker.kill();
    expect(await lab.leftovers()).toEqual([]);
  });

  // Ends the broker: keep it last.
  it('says so when the broker is gone, and closes at once', async () => {
    const queue = await lab.open('gone');
    await queue.ping();
    await lab.stopBroker();
    const submission = submissionOf({});
    for (const call of [
      () => queue.submit(submission),
      () => queue.submit(submission),
      () => queue.inspect(submission),
      () => queue.purge(submission),
      () => queue.ping(),
    ]) {
      const error = await call().then(
        (value: unknown) => value,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(UserError);
      expect(error).toMatchObject({
        kind: 'environment',
        code: expect.stringMatching(/^broker-(refused|connection-lost)$/),
      });
      expect(String(error)).not.toContain('secret');
    }
    const began = performance.now();
    await queue[Symbol.asyncDispose]();
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

/**
 * A service's API shows nothing of the broker behind it: who consumes, where a message is and when it is due are `null`,
 * which says so, and never a guess. What it can do it must do as every kind does.
 */
const API_KINDS: readonly { readonly kind: string; readonly lab: () => Promise<ApiLab> }[] = [
  { kind: 'http', lab: apiLab },
];

describe.each(API_KINDS)('$kind', ({ lab: openLab }) => {
  let lab: ApiLab;
  beforeAll(async () => {
    lab = await openLab();
  }, 60_000);
  afterAll(async () => {
    await lab[Symbol.asyncDispose]();
  });

  const submissionOfFile = async (name: string): Promise<Submission> => ({
    job: randomUUID(),
    messageId: randomUUID(),
    task: LAB_TASK,
    payload: {},
    files: [await lab.file(name)],
  });
  const submitted = async (queue: Queue, name: string): Promise<MessageRef> => {
    const { job, messageId, certainty } = await queue.submit(await submissionOfFile(name));
    expect(certainty).toBe('certain');
    return { job: job ?? '', messageId };
  };
  const seenState = async (queue: Queue, { job }: MessageRef): Promise<unknown> =>
    (await queue.api?.read(job))?.['status'];

  it('tells which server it is, and no secret', async () => {
    await using queue = await lab.open();
    const info = await queue.ping();
    expect(info).toMatchObject({ server: 'HTTP API', address: expect.stringContaining('127.0.0.1:') });
    expect(JSON.stringify([info, await queue.checks?.()])).not.toContain('secret');
  });

  it('hands a job to the worker as it was submitted, and takes it back in whatever state, twice', async () => {
    await using queue = await lab.open();
    const before = await lab.content();
    const [held, waiting] = [await submitted(queue, 'held.pdf'), await submitted(queue, 'waiting.pdf')];
    await queue.purge(waiting);
    expect(await seenState(queue, waiting)).toBeUndefined();
    const other = await submitted(queue, 'other.pdf');
    const worker = lab.worker();
    await until(
      () => seenState(queue, held),
      (state) => state === 'processing',
    );
    // The service keeps what a worker holds, and says so.
    await expect(queue.purge(held)).rejects.toThrow('a worker holds the job');
    await worker.line(new RegExp(`${other.job} completed`));
    worker.signal('SIGKILL');
    await worker.ended;
    expect(await lab.content()).toContain('held.pdf');
    for (const message of [held, held, waiting]) await queue.purge(message);
    expect(await seenState(queue, other)).toBe('completed');
    await queue.purge(other);
    expect(await lab.content()).toBe(before);
  });

  it('says that it cannot tell what an API does not show', async () => {
    await using queue = await lab.open();
    const message = await submitted(queue, 'unseen.pdf');
    expect(await queue.consumers()).toBeNull();
    expect(await queue.inspect(message)).toBeNull();
    expect(await queue.estimateRecovery(message)).toBeNull();
    expect(await queue.absentKeys()).toEqual([]);
    await queue.purge(message);
  });

  it('changes nothing by looking', async () => {
    await using queue = await lab.open();
    const message = await submitted(queue, 'looked-at.pdf');
    const before = await lab.content();
    await using fresh = await lab.open();
    for (const each of [queue, fresh]) {
      await each.ping();
      await each.checks?.();
      await each.api?.read(message.job);
      await each.api?.read(randomUUID());
      await each.api?.carrying(['looked-at']);
    }
    expect(await lab.content()).toBe(before);
    await queue.purge(message);
  });

  it('says uncertain when the answer of a submit never comes, and can clean up after it', async () => {
    await using queue = await lab.open({}, { requestTimeoutMs: 300 });
    await queue.ping();
    const before = await lab.content();
    const submission = await submissionOfFile('uncertain.pdf');
    const outcome = await lab.breakOff(() => queue.submit(submission));
    expect(outcome).toMatchObject({
      certainty: 'uncertain',
      problem: expect.stringContaining('did not answer POST /extraction/bulk within 0.3 s'),
    });
    expect(outcome.job).toBeUndefined();
    const jobs = await until(
      async () => (await queue.api?.carrying(['uncertain.pdf']))?.jobs ?? [],
      (found) => found.length === 1,
    );
    await queue.purge({ job: jobs[0]?.id ?? '', messageId: '' });
    expect(await lab.content()).toBe(before);
  });

  it('says so when the credentials are wrong, and does nothing', async () => {
    await using queue = await lab.open({ token: `${LAB_TOKEN}-not` });
    const before = await lab.content();
    const submission = await submissionOfFile('refused.pdf');
    for (const call of [() => queue.submit(submission), () => queue.checks?.()]) {
      const error = await Promise.resolve(call()).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(UserError);
      expect(error).toMatchObject({ kind: 'environment', code: 'broker-auth' });
      expect(String(error)).not.toContain('secret');
    }
    expect(await lab.content()).toBe(before);
  });

  // Ends the service: keep it last.
  it('says so when the service is gone, and closes at once', async () => {
    const queue = await lab.open();
    await queue.ping();
    const submission = await submissionOfFile('gone.pdf');
    await lab.stop();
    for (const call of [
      () => queue.submit(submission),
      () => queue.submit(submission),
      () => queue.purge(submission),
      () => queue.ping(),
    ]) {
      const error = await call().catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        kind: 'environment',
        code: expect.stringMatching(/^broker-(refused|connection-lost)$/),
      });
      expect(String(error)).not.toContain('secret');
    }
    const began = performance.now();
    await queue[Symbol.asyncDispose]();
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});

/** Two clocks, timers and a poll of 10 ms are in play. */
const CLOCK_TOLERANCE_MS = 60;

/** Waits until the queue has seen a consumer. */
async function consumed(queue: Queue): Promise<void> {
  await until(
    async () => (await queue.consumers()) ?? [],
    (list) => list.length > 0,
  );
}

async function active(queue: Queue, message: MessageRef): Promise<BrokerState> {
  const state = await queue.inspect(message);
  if (state === null) throw new Error('the queue cannot tell');
  return state;
}

/** Asks again and again, up to five seconds. */
async function until<T>(ask: () => Promise<T>, good: (value: T) => boolean): Promise<T> {
  const deadline = performance.now() + 5_000;
  for (;;) {
    const value = await ask();
    if (good(value)) return value;
    if (performance.now() > deadline) {
      throw new Error(`still ${JSON.stringify(value)}`);
    }
    await pause(10);
  }
}
