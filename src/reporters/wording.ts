/**
 * Every sentence of a report, by its code. Criteria and diagnoses know the facts; how they are told is decided here
 * alone, and a code without a sentence does not compile.
 */
import type { DiagnosisId } from '../core/diagnosis/index.ts';
import type { DiagnosisValues } from '../core/diagnosis/diagnosis.ts';
import type { Finding, FindingArguments, FindingCode } from '../core/findings.ts';
import { describeDuration } from './durations.ts';

type Sentences = { readonly [Code in FindingCode]: (values: FindingArguments[Code]) => string };

function percent(progress: number | null): string {
  return progress === null ? '' : ` ${progress} %`;
}

function byWhom(incarnation: number | null): string {
  return incarnation === null ? '' : ` by worker #${incarnation}`;
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

const SENTENCES: Sentences = {
  'never-observed': () => 'the row was never observed',
  'row-in-every-observation': ({ versions, source }) =>
    source === 'trigger'
      ? `${count(versions, 'version', 'versions')} recorded, none missing`
      : `there in all of ${count(versions, 'observation', 'observations')}`,
  'row-gone': ({ incarnation }) => `the row was deleted${byWhom(incarnation)}`,
  'observation-incomplete': ({ versions }) =>
    `the row changed without being recorded (${count(versions, 'version', 'versions')} seen): a trigger that did not fire`,
  'followed-late': () =>
    'followed from the answer of the API on: what happened to it before is not in the record',
  'observed-by-polling': ({ unseen }) => `observed by polling, which cannot see ${unseen}`,
  'not-looked-at-after-restart': () => 'the row was not looked at after the restart',

  'no-restart': () => 'no restart took place',
  'fault-disarmed': ({ fault }) => `the fault (${fault}) was disarmed`,
  'ended-before-strike': ({ state }) => `the job was ${state} before the restart came`,
  'ended-by-old-worker': ({ state, incarnation }) =>
    `worker #${incarnation} itself brought the job to ${state} before it was gone: nothing was left to recover`,
  'ended-while-stopping': ({ state }) =>
    `the job became ${state} while the worker went away, by whom cannot be told`,
  'not-in-flight': ({ state, broker }) => `the job was not being worked on: its row was ${state}, ${broker}`,
  'holder-not-struck': ({ writer, incarnation }) =>
    `the last write before the restart came from ${writer}, which is not worker #${incarnation}: somebody else works on this queue`,
  'holder-unknown': () => 'which worker held the job could not be found out',
  'worker-still-there': ({ incarnation, pids, connections }) =>
    pids === ''
      ? `worker #${incarnation} is still connected (${connections})`
      : `worker #${incarnation} is still there (pid ${pids})`,
  'worker-not-seen-gone': ({ incarnation }) => `worker #${incarnation} was not seen to go away`,
  'no-new-worker': () => 'no new worker was seen after the restart',
  'handed-back-politely': ({ incarnation }) =>
    `worker #${incarnation} handed the job back before it left: a polite stop, not a crash`,
  'struck-in-flight': ({ fault, incarnation, state, progress }) =>
    `${fault} to worker #${incarnation} while the job was ${state}${percent(progress)}`,
  'restarted-in-flight': ({ incarnation, state, progress }) =>
    `worker #${incarnation} was restarted while the job was ${state}${percent(progress)}`,
  'in-flight-by-broker': ({ owner }) => `the broker counted it as held by ${owner}`,
  'worker-gone': ({ incarnation, proof, connectionsGone, afterMs }) =>
    `worker #${incarnation} gone after ${describeDuration(afterMs)} (${
      proof === 'processes' ? 'every process of its tree' : 'its connections'
    }${proof === 'processes' && connectionsGone ? ' and connection' : ''})`,
  'new-worker': ({ incarnation, afterMs }) =>
    `worker #${incarnation} there after ${describeDuration(afterMs)}`,
  drained: ({ incarnation, state }) =>
    `worker #${incarnation} finished the job (${state}) before it left: a drain; redelivery was not exercised`,
  'write-after-gone': ({ incarnation }) =>
    `worker #${incarnation} wrote to the row after all its known processes were gone: something of it lives on`,
  'hold-broken': ({ reason }) => `the hold on the row was broken: ${reason}`,
  'hold-hurt': ({ error }) => `the worker ran into a lock or statement time-out under the hold: ${error}`,

  'picked-up-by-write': ({ incarnation, by, afterMs }) =>
    `worker #${incarnation}, ${describeDuration(afterMs)} after the restart began${
      by === 'absence' ? ' (nothing of the old one was left)' : ''
    }`,
  'picked-up-by-task': ({ before, after, afterMs }) =>
    `task ${after} instead of ${before}, ${describeDuration(afterMs)} after the restart began`,
  'picked-up-by-broker': ({ deliveries, afterMs }) =>
    `delivery ${deliveries} by the broker's count, and the row changed, ${describeDuration(afterMs)} after the restart began`,
  'drained-so-not-exercised': () => 'the old worker finished the job: nothing was left to pick up',
  'handed-out-without-work': ({ deliveries }) =>
    `handed out again (delivery ${deliveries}), but no work on the job followed`,
  'nobody-picked-up': ({ afterMs, broker }) =>
    `no new worker touched it within ${describeDuration(afterMs)}; ${broker}`,
  'unattributed-writes': ({ writes }) =>
    `${count(writes, 'write', 'writes')} after the restart cannot be attributed to a worker`,
  'not-due-yet': ({ due }) => `the broker will hand it out ${due}: the run ended before`,
  'nothing-to-pick-up': () => 'the job was not interrupted, so there was nothing to pick up',

  reached: ({ state, afterMs }) => `${state}, ${describeDuration(afterMs)} after the restart began`,
  'reached-and-left': ({ reached, now }) => `it was ${reached}, and then ${now} again`,
  'not-terminal': ({ state, progress, afterMs }) =>
    `still ${state}${percent(progress)} ${describeDuration(afterMs)} after the restart began`,
  'broker-says': ({ text }) => text,

  'no-timestamp-columns': () => 'the table has neither started_at nor completed_at',
  'started-at-kept': ({ startedAt }) => `started_at kept: ${startedAt}`,
  'started-at-changed': ({ before, after, incarnation }) =>
    `started_at was changed from ${before} to ${after}${byWhom(incarnation)}`,
  'started-at-lost': ({ before, incarnation }) => `started_at (${before}) was emptied${byWhom(incarnation)}`,
  'started-at-missing': () => 'the job ended and started_at was never set',
  'completed-at-set': ({ completedAt }) => `completed_at set: ${completedAt}`,
  'completed-at-missing': ({ state }) => `the job is ${state} and completed_at is empty`,
  'completed-at-not-due': () => 'completed_at is not due: the job has not ended',
  'timestamps-out-of-order': ({ earlier, later, earlierAt, laterAt }) =>
    `${later} (${laterAt}) lies before ${earlier} (${earlierAt})`,
  'timestamp-shifted': ({ column, hours }) =>
    `${column} was written ${Math.abs(hours)} h ${hours > 0 ? 'ahead of' : 'behind'} its time: another time zone`,
  'timestamps-not-comparable': ({ earlier, later }) =>
    `${earlier} and ${later} cannot be compared: one has a time zone, the other has none`,

  'one-row': ({ children }) =>
    children === 0 ? 'one row' : `one row and ${count(children, 'child', 'children')}`,
  'further-rows': ({ ids }) => `another row carries the same files: ${ids}`,
  'one-message': ({ most }) => (most === 0 ? 'no message left' : 'never more than one message'),
  'further-messages': ({ messages }) => `the broker had ${messages} messages for it at once`,
  'messages-not-counted': () => 'messages could not be counted in this broker',
  'rows-not-counted': () => 'the rows were not counted',
  'rows-not-visible': ({ reason }) => `rows cannot be counted: ${reason}`,

  'no-end-to-compare': () => 'the job did not end',
  'ended-as-expected': ({ state }) => state,
  'ended-as-control': ({ state }) => `${state}, as the control job did without a restart`,
  'ended-otherwise': ({ state, expected, error }) =>
    `${state}${error === '' ? '' : ` (${error})`}; without a restart the same job is ${expected}`,
  'expected-end-unknown': ({ state, error }) =>
    `${state}${error === '' ? '' : ` (${error})`}; whether that is the restart's doing is unknown without a control`,

  'no-progress-column': () => 'the table shows no progress',
  'progress-went-down': ({ before, after, incarnation }) =>
    `progress went from ${before} % to ${after === null ? 'nothing' : `${after} %`}${byWhom(incarnation)}`,
  'effects-are-whole': () =>
    "every effect is there exactly once all the same: if beginning again is meant, set criteria: { 'progress-monotonic': 'advisory' }",
  'progress-rose': ({ highest }) => `up to ${highest} %`,
  'effects-not-counted': () => 'no effects query is configured, so effects were not counted',
  'effect-repeated': ({ item, count: times }) => `${baseName(item)} was processed ${times} times`,
  'effect-missing': ({ item }) => `${baseName(item)} left no effect, though the job is completed`,
  'effects-once': ({ items }) => `${count(items, 'effect', 'effects')}, each once`,
  'changed-after-end': ({ state, now, columns, afterMs, incarnation }) =>
    `${describeDuration(afterMs)} after it was ${state}, ${columns} changed${byWhom(incarnation)}; the status is now ${now}`,
  'not-settled': () => 'the run ended before it could settle',
  'unchanged-after-end': ({ forMs }) => `watched for ${describeDuration(forMs)} after its end`,
  'older-wrote-after-newer': ({ older, newer, status }) =>
    `worker #${older} wrote ${status} after worker #${newer} had taken over`,
  'older-claim-returned': ({ claim, after }) =>
    `the claim ${claim} wrote again after ${after} had taken its place`,
  'writers-in-order': ({ claims }) =>
    claims === 0 ? 'writers in order' : `${count(claims, 'claim', 'claims')}, one after the other`,
  'no-retry-column': () => 'the table counts no retries',
  'retries-went-down': ({ before, after, incarnation }) =>
    `retry_count went from ${before} to ${after}${byWhom(incarnation)}`,
  'retries-over-limit': ({ count: retries, most }) => `retry_count is ${retries}, max_retries ${most}`,
  'retries-burnt': ({ spent, restarts }) =>
    `${count(spent, 'retry', 'retries')} used up by ${count(restarts, 'restart', 'restarts')}`,
  'retries-counted': ({ count: retries }) => `retry_count ${retries}`,
  'broker-not-asked': () => 'the broker could not be asked',
  'broker-hidden': ({ reason }) => reason,
  'row-and-queue-disagree': ({ state, broker }) => `the row is ${state}, and ${broker}`,
  'still-in-queue': ({ broker, due }) =>
    `the job has ended, and ${broker}; it will be handed out again ${due}`,
  'messages-left': ({ messages }) => `${count(messages, 'message', 'messages')} of the job left in the queue`,
  'no-witnesses': () => 'no witnesses were used',
  'witnesses-well': ({ waited }) =>
    waited === 0 ? 'the ended job was left alone' : 'one ended and left alone, one waited and ran once',
  'ended-witness-touched': ({ before, after }) =>
    `a job that was ${before} before the strike became ${after}`,
  'waiting-witness-gone': () => 'the job that waited behind is gone',
  'waiting-witness-stuck': ({ status }) => `the job that waited behind never ended: it is ${status}`,
  'waiting-witness-twice': ({ times }) => `the job that waited behind ended ${times} times`,
  'nothing-retried': () => 'nothing was retried',
  'backoff-unknown': ({ retries }) =>
    `${count(retries, 'retry', 'retries')}, how long each should wait is not configured`,
  'retry-counted-twice': ({ retry, step }) => `retry ${retry} was counted ${step} times`,
  'retried-too-early': ({ retry, waitedMs, leastMs }) =>
    `retry ${retry} came after ${describeDuration(waitedMs)}, ${describeDuration(leastMs)} at the earliest were due`,
  'retry-never-came': ({ retry }) => `retry ${retry} never came`,
  'backoff-kept': ({ retries }) => `${count(retries, 'retry', 'retries')}, none before its time`,

  'criterion-threw': ({ message }) =>
    `this criterion could not be judged, which is a bug of verify-restart: ${message}`,
};

export function describeFinding(finding: Finding): string {
  // Each entry takes exactly the values of its own code; the union of all of them is beyond what the type can say.
  const sentence = SENTENCES[finding.code] as (values: Finding) => string;
  return sentence(finding);
}

export interface DiagnosisWords {
  readonly title: string;
  readonly evidence: readonly string[];
  readonly fix: string;
  /** Relative to the package's root. */
  readonly docs: string;
}

/** What a worker has told of its own settings; what it has not told is left out. */
function workerSays(told: Readonly<Record<string, string | number | null | undefined>>): readonly string[] {
  const known = Object.entries(told).filter(([, value]) => value != null);
  return known.length === 0
    ? []
    : [`the worker says: ${known.map(([name, value]) => `${name} = ${value}`).join(', ')}`];
}

type DiagnosisSentences = Omit<DiagnosisWords, 'docs'>;

/** One cause that two systems show by different facts: the words follow the fact that is there. */
function wordsBy(
  value: string,
  there: (values: DiagnosisValues) => DiagnosisSentences,
  absent: (values: DiagnosisValues) => DiagnosisSentences,
): (values: DiagnosisValues) => DiagnosisSentences {
  return (values) => (Object.hasOwn(values, value) ? there(values) : absent(values));
}

const DIAGNOSES: { readonly [Id in DiagnosisId]: (values: DiagnosisValues) => DiagnosisSentences } = {
  'deleted-at-boot': ({ incarnation }) => ({
    title: 'a new worker deleted the job when it started',
    evidence: [`the delete was made by worker #${incarnation}`],
    fix: 'let the clean-up at start leave rows in processing alone, or hand them back to the queue instead of deleting them',
  }),
  'redelivered-but-skipped': ({ deliveries }) => ({
    title: 'the job was handed out again and the new worker skipped it',
    evidence: [`delivery ${deliveries} was acknowledged without a write to the row`],
    fix: 'claim rows in processing too when their owner is gone (compare a task id or lease), not only pending ones',
  }),
  'acked-before-done': ({ progress, celery, acksLate, pool }) => ({
    title: 'the message was acknowledged before the work was done',
    evidence:
      celery === undefined
        ? [
            `before the strike the broker already counted the job as finished, the row was at${percent(Number(progress ?? 0))}`,
          ]
        : [
            `before the strike the broker kept nothing of the job, and the row was at${percent(Number(progress ?? 0))}: the worker had acknowledged the message when it received it`,
            ...workerSays({ acks_late: acksLate, pool }),
          ],
    fix:
      celery === undefined
        ? 'acknowledge after the last write: await the work in the handler (BullMQ), set acks_late (Celery)'
        : 'set task_acks_late = True and task_reject_on_worker_lost = True (or acks_late=True and reject_on_worker_lost=True on the task), and make the task safe to run twice: a job that is handed out again begins anew',
  }),
  'task-not-registered': ({ line, task }) => ({
    title: 'no worker knows the task, so its message was dropped',
    evidence: [String(line)],
    fix: `start the worker with the module that defines ${task} (-A, include or imports), or name the task as it is registered with --task`,
  }),
  'child-death-acked': ({ line, reach, rejectOnWorkerLost }) => ({
    title: 'a process of the pool died, and its parent acknowledged the job as a failure',
    evidence: [String(line), ...workerSays({ reject_on_worker_lost: rejectOnWorkerLost })],
    fix:
      reach === 'group'
        ? 'send TERM to the parent alone (systemd: KillMode=mixed); with task_acks_late and task_reject_on_worker_lost also set worker_prefetch_multiplier = 1'
        : 'set task_reject_on_worker_lost = True beside task_acks_late = True, and end a row that the task could not end itself',
  }),
  'acked-on-shutdown': wordsBy(
    'signal',
    ({ signal, reach, acksLate, pool }) => ({
      title: 'the message was acknowledged by the worker on its way out, with the job undone',
      evidence: [
        `a worker held the message when ${signal} (${reach}) came; the worker left, and the broker keeps nothing of it`,
        ...workerSays({ acks_late: acksLate, pool }),
      ],
      fix:
        reach === 'group'
          ? 'send TERM to the parent alone (systemd: KillMode=mixed; no process group), and set worker_prefetch_multiplier = 1 beside task_acks_late and task_reject_on_worker_lost'
          : 'set task_acks_late = True; the pool solo of Celery before 5.6 breaks off the task when TERM comes',
    }),
    ({ progress }) => ({
      title: 'on its way out the worker ticked off a job that was not done',
      evidence: [`it was at${percent(Number(progress ?? 0))} when the signal came`],
      fix: 'on the signal hand back what is not done; write COMPLETED after the last effect alone',
    }),
  ),
  'lost-in-shutdown-window': wordsBy(
    'incarnation',
    ({ incarnation }) => ({
      title: 'a job that was taken while the worker shut down was never given back',
      evidence: [`worker #${incarnation} had taken the job that waited, and left`],
      fix: 'take nothing more once the signal is there, and hand back everything that was taken, also what was only fetched ahead',
    }),
    () => ({
      title: 'a worker that was going away swallowed the message',
      evidence: ['it waited in the queue, nobody began with it, and the broker keeps nothing of it'],
      fix: 'use kombu 5.3.2 or newer (an older one can lose a message that comes in the second after TERM), or worker_prefetch_multiplier = 1; submit again what stays pending',
    }),
  ),
  'retry-in-memory': wordsBy(
    'broker',
    ({ retries, broker }) => ({
      title: "the retry waited in the dead worker's memory",
      evidence: [`retry ${retries ?? 0} was waiting for its time in a worker; now ${broker}`],
      fix: 'keep long waits in the database and enqueue when they are over, or set acks_late and a visibility_timeout a little longer than the longest wait',
    }),
    () => ({
      title: 'the retry was only in the memory of the worker that is gone',
      evidence: [],
      fix: 'keep the due time where it survives: in the row (last_retry_at and the count), or as a delayed message',
    }),
  ),
  'lock-shorter-than-work': wordsBy(
    'visibilityMs',
    ({ visibilityMs, tookMs }) => ({
      title: 'the job was handed out again while its worker was still at it',
      evidence: [
        `the visibility timeout is ${describeDuration(Number(visibilityMs))}, the job took ${describeDuration(Number(tookMs))}`,
      ],
      fix: 'set visibility_timeout in broker_transport_options longer than the longest job and the longest countdown, and fence the writes by the claim',
    }),
    ({ incarnation }) => ({
      title: 'the claim ended while its holder was still at work',
      evidence: [`worker #${incarnation} took the job from a run of its own`],
      fix: 'renew the lease or lock while the work goes on, or make it longer than the longest work; and fence the writes of the run that lost it',
    }),
  ),
  'popped-without-copy': ({ progress }) => ({
    title: 'the message was taken off the queue and no copy was kept',
    evidence: [
      `while the job was being worked on (${Number(progress ?? 0)} %) the broker kept nothing of it`,
    ],
    fix: 'keep the message until the job has ended: a reliable pop (LMOVE to a processing list, a lock), or do not remove the job on pick-up',
  }),
  'broker-gave-up-row-not-told': ({ reason, stalls }) => ({
    title: 'the broker gave the job up, and the row was never told',
    evidence: [
      `the broker's reason: ${reason ?? 'none given'}${stalls === null ? '' : `, stalled ${stalls} times`}`,
    ],
    fix: "write the end to the row when the broker gives up (BullMQ: the worker's 'failed' event), and allow more stalls (maxStalledCount)",
  }),
  'not-yet-due': ({ due, timeoutMs, visibilityMs, dueAt, told }) => ({
    title: 'the job is not due yet',
    evidence: [
      `the broker will hand it out ${due}; the run waited ${describeDuration(Number(timeoutMs))}`,
      ...(visibilityMs === undefined
        ? []
        : [
            `it lies in unacked, due at ${dueAt} at the earliest: visibility_timeout is ${describeDuration(Number(visibilityMs))}${told === 1 ? '' : ", kombu's default"}; then the next worker that starts, or one that looks every 90 to 100 s, puts it back`,
          ]),
    ],
    fix:
      visibilityMs === undefined
        ? "raise --terminal-timeout, or shorten the broker's own recovery (BullMQ: lockDuration and stalledInterval; Celery: visibility_timeout)"
        : 'set visibility_timeout in broker_transport_options to little more than your longest job takes, or raise --terminal-timeout beyond it',
  }),
  'never-reclaimed': ({ owner, broker }) => ({
    title: 'nobody takes the job back from the dead worker',
    evidence: [`${broker}${owner === null ? '' : ', which is gone'}`],
    fix: 'let living workers look for dead owners (BullMQ: do not set skipStalledCheck; a lease needs a sweep that runs all the time)',
  }),
  'nobody-listens': ({ consumers, queues }) => ({
    title: 'the job waits in the queue and nobody takes it',
    evidence: [
      `${consumers} consumers were connected to this queue`,
      ...(queues == null ? [] : [`the workers say that they consume ${queues}`]),
    ],
    fix: "compare the worker's queue name (Celery: -Q, task_routes), prefix and database number with --queue-name and --broker-url",
  }),
  'stuck-after-pickup': ({ broker, progress }) => ({
    title: 'a new worker took the job up and never finished it',
    evidence: [`it stands at ${Number(progress ?? 0)} %; ${broker}`],
    fix: 'look for what it waits for that only the dead worker could have delivered (a lock, a file, an answer); raise --terminal-timeout if it is only slow',
  }),
  'stale-lock': ({ incarnation }) => ({
    title: 'something of the dead worker keeps every new one away',
    evidence: [`worker #${incarnation} runs and takes nothing, not even the job that only waits`],
    fix: 'let locks end with their holder: an expiry that is renewed, or an advisory lock of the session, not a row, key or pid file without an end',
  }),
  'claim-tied-to-name': ({ name, newName }) => ({
    title: "claims are tied to the worker's name, and the new worker has another",
    evidence: [`the job is claimed by ${name}, the new worker calls itself ${newName}`],
    fix: 'recover by what tells that the owner is gone (an ended lease, an old heartbeat), not by its name',
  }),
  'grace-shorter-than-drain': ({ afterMs }) => ({
    title: 'the worker was killed before it had finished or handed back its job',
    evidence: [`SIGKILL came ${describeDuration(Number(afterMs))} after it was asked to stop`],
    fix: 'give it more time (stopGrace, terminationGracePeriodSeconds, stop_grace_period), or let it hand the job back at once on the signal; and let ended claims be taken back, for the kill that comes anyway',
  }),
  'loaded-at-boot-only': () => ({
    title: 'only a start of a worker takes the job back',
    evidence: ['a running worker left it alone; one more was started, and took it'],
    fix: 'look for abandoned jobs all the time, not only at the start: what is abandoned a moment later waits for the next one',
  }),
  'closed-before-drained': ({ error }) => ({
    title: 'the worker closed what its job still needed',
    evidence: [`the job failed with: ${error}`],
    fix: 'close pools and connections last, after the jobs in hand have ended or been handed back',
  }),
  'effect-and-mark-apart': ({ item, times }) => ({
    title: 'the effect of a file and the note that it is done are written apart',
    evidence: [
      `the file in hand when the worker died, ${baseName(String(item))}, was done ${times === 0 ? 'not at all' : `${times} times`}`,
    ],
    fix: 'write both in one transaction; where that cannot be, make the effect idempotent and write it first',
  }),
  'resumed-past-work': ({ item }) => ({
    title: 'the job was resumed past a file that was not done',
    evidence: [`${baseName(String(item))} was passed over, files after it were done`],
    fix: 'resume by what is noted as done for each file, not by a count or a rounded percentage',
  }),
  'error-swallowed': ({ items }) => ({
    title: 'the job was completed though its last files were never done',
    evidence: [`${items} without an effect`],
    fix: 'let an error after the restart end the attempt (retry or FAILED); write COMPLETED only when every file is noted as done',
  }),
  'fence-not-unique': ({ claim }) => ({
    title: 'two runs in one process held the job by the same claim',
    evidence: [`both as ${claim}`],
    fix: 'make the claim new at every pick-up (a random token), not the host, the pid or the name, so that an older run of the same process is fenced out',
  }),
  'failed-at-boot': ({ incarnation }) => ({
    title: 'a new worker marked the job failed when it started',
    evidence: [`worker #${incarnation} wrote it without having worked on the job`],
    fix: 'let the clean-up at start leave jobs alone that the queue will hand out again, or take them off the queue first',
  }),
  'failed-on-shutdown': () => ({
    title: 'the worker marked its own job failed on its way out',
    evidence: [],
    fix: 'hand the job back (pending) on the signal, or let it be: the queue hands it out again',
  }),
  'rerun-cannot-succeed': () => ({
    title: 'run again, the job cannot succeed any more',
    evidence: [],
    fix: "see the row's error: what the first run used up or left in the way must not stop the second",
  }),
  'reran-finished-job': ({ incarnation }) => ({
    title: 'a job that had ended was run again',
    evidence: incarnation === null ? [] : [`by worker #${incarnation}`],
    fix: 'look at the row first on every delivery, and acknowledge a job that has ended without touching it',
  }),
  'wrote-after-end': ({ columns, afterMs }) => ({
    title: 'the row was written to after the job had ended',
    evidence: [`${columns}, ${describeDuration(Number(afterMs))} after the end`],
    fix: 'make every write conditional on the job not having ended (and status = ...), also those in finally blocks and timers',
  }),
  'items-missing': ({ items }) => ({
    title: 'the job is completed and items of it are missing',
    evidence: [`${items} without an effect`],
    fix: 'resume by what is really there (the effects), not by a percentage; write COMPLETED after the last effect; let no error be swallowed',
  }),
  'effects-not-idempotent': ({ items }) => ({
    title: 'finished items were done again after the restart',
    evidence: [`${items} more than once`],
    fix: 'skip what is done, or make the effect unique by job and file (a unique key, insert … on conflict do nothing), in one transaction with the mark that it is done',
  }),
  'no-fencing': ({ older, newer }) => ({
    title: 'an older claim wrote after a newer one had taken over',
    evidence: older === null ? [] : [`worker #${older} after worker #${newer}`],
    fix: 'give every pick-up a token of its own (not the host, pid or name), and make each write conditional on still holding it',
  }),
  'recovery-hit-finished-jobs': ({ before, after }) => ({
    title: 'a recovery changed a job that had ended before',
    evidence: [`${before} became ${after}`],
    fix: 'let recovery touch only rows whose owner is proved gone, never rows in a final state',
  }),
  'slot-left-behind': ({ status }) => ({
    title: 'a job that waited behind was never run',
    evidence: [`it is still ${status}, though the job before it has ended`],
    fix: 'let slots, limits and locks end with their holder (a lease, an advisory lock of the session), not only on the normal way out',
  }),
  'row-and-queue-disagree': ({ state, broker }) => ({
    title: 'row and queue disagree about the end',
    evidence: [`the row is ${state}, and ${broker}`],
    fix: 'let one of them decide: acknowledge after the final write, and write the end to the row when the queue gives up',
  }),
  'never-acked': ({ due }) => ({
    title: 'the job is done and was never acknowledged',
    evidence: due === null ? [] : [`the queue will hand it out again ${due}`],
    fix: 'acknowledge every delivery, also those of jobs that turn out to be done already',
  }),
  'reset-at-boot': () => ({
    title: 'a new worker put the job back to pending and what was done was forgotten',
    evidence: [],
    fix: 'keep started_at, progress and what is done when a job is handed back',
  }),
  'progress-reset': ({ before, after }) => ({
    title: 'progress began again',
    evidence: [`from ${before} % to ${after ?? 'nothing'}`],
    fix: "count from what is done, not from zero; if beginning again is meant, set criteria: { 'progress-monotonic': 'advisory' }",
  }),
  'restarts-burn-retries': ({ spent, restarts }) => ({
    title: 'restarts use up the retries',
    evidence: [`${spent} retries for ${restarts} ${restarts === 1 ? 'restart' : 'restarts'}`],
    fix: 'count a retry when an attempt has failed, not when it is interrupted or begins',
  }),
  'retries-miscounted': () => ({
    title: 'retries are not counted as they happen',
    evidence: [],
    fix: 'raise retry_count once, in the write that fails the attempt, and never set it back',
  }),
  'backoff-lost': () => ({
    title: 'the restart changed when the job is retried',
    evidence: [],
    fix: 'keep the due time in the queue or the row (a delayed message, last_retry_at), not in a timer of the worker',
  }),
  'started-at-reset': () => ({
    title: 'the second pick-up wrote started_at again',
    evidence: [],
    fix: 'set it only once: started_at = coalesce(started_at, now())',
  }),
  'completed-at-missing': () => ({
    title: 'the end was written without completed_at',
    evidence: [],
    fix: 'set completed_at in the same statement as the final status, in every path (completed, failed, cancelled)',
  }),
  'clock-mixed': () => ({
    title: 'two clocks or two time zones are mixed in the timestamps',
    evidence: [],
    fix: 'take every timestamp from the database (now()), and use timestamptz; local time does not belong in a column without a zone',
  }),
  'resumed-as-new-job': () => ({
    title: 'the job was resumed as a second row',
    evidence: [],
    fix: 'resume the existing row; insert only with a key that a second insert would violate',
  }),
  'recovered-twice': () => ({
    title: 'the job was put into the queue again though the broker hands it out again by itself',
    evidence: [],
    fix: 'leave redelivery to the broker, or enqueue with the same job id so that the second is refused',
  }),
  'ended-before-restart': ({ hold, by }) => ({
    title: 'the job ended before it could be interrupted',
    evidence: [],
    fix:
      by === 'operator' && hold === 0
        ? 'let the job be held (leave --no-hold out), or give it more or slower files (--files)'
        : 'give the job more or slower files (--files 20), or strike earlier (--strike-at processing)',
  }),
  'stopped-politely': ({ by }) => ({
    title: 'the worker was stopped politely, not killed',
    evidence: [],
    fix:
      by === 'operator'
        ? 'kill it with SIGKILL (kill -9 <pid>; plain kill and pkill send TERM), or verify the polite stop itself with --scenario graceful'
        : 'let the stop command send SIGKILL (docker kill, kubectl delete --grace-period=0 --force), or use --scenario graceful',
  }),
  'worker-not-restarted': ({ pids }) => ({
    title: 'the worker that held the job was not restarted',
    evidence: [],
    fix:
      pids === ''
        ? 'kill the worker that the panel names, then start it again'
        : `kill it (kill -9 ${pids}), then start it again`,
  }),
  'signal-swallowed': ({ signal, pids }) => ({
    title: `the worker did not go away on ${signal ?? 'the signal'}`,
    evidence: pids === '' ? [] : [`still running: pid ${pids}`],
    fix: 'let the worker stop on the signal and exit when the job in hand has ended, or use --scenario deploy, which kills after the grace period',
  }),
  'orphan-children': () => ({
    title: 'a part of the worker outlived it and went on writing',
    evidence: [],
    fix: 'tie children to the life of their parent (no detached processes), and fence their writes by the claim',
  }),
  'another-worker': () => ({
    title: 'another worker held the job',
    evidence: [],
    fix: 'stop the other consumers of this queue for the time of the verification, or give the verification a queue of its own (--queue-name)',
  }),
  'no-successor': ({ by }) => ({
    title: 'no new worker came up',
    evidence: [],
    fix:
      by === 'operator'
        ? 'start the worker again before pressing Enter'
        : "see the worker's log in the run's folder",
  }),
  'hold-hurt': () => ({
    title: 'the hold got in the way of the worker',
    evidence: [],
    fix: 'run again with --no-hold and a job that takes long enough to be interrupted by hand (--files)',
  }),
};

export function describeDiagnosis(id: DiagnosisId, values: DiagnosisValues): DiagnosisWords {
  return { ...DIAGNOSES[id](values), docs: `docs/diagnoses.md#${id}` };
}
