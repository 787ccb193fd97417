/** The words of every diagnosis, by its id: what is wrong, what points to it, and what to do. An id without words does not compile. */
import type { DiagnosisId } from '../core/diagnosis/index.ts';
import type { DiagnosisValues } from '../core/diagnosis/diagnosis.ts';
import { describeDuration } from './durations.ts';
import { baseName } from './finding-words.ts';
import type { RunWords } from './run-words.ts';

export interface DiagnosisWords {
  readonly title: string;
  readonly evidence: readonly string[];
  readonly fix: string;
  /** Relative to the package's root. */
  readonly docs: string;
}

type DiagnosisSentences = Omit<DiagnosisWords, 'docs'>;

/** What a worker has told of its own settings; what it has not told is left out. */
function workerSays(told: Readonly<Record<string, string | number | null | undefined>>): readonly string[] {
  const known = Object.entries(told).filter(([, value]) => value != null);
  return known.length === 0
    ? []
    : [`the worker says: ${known.map(([name, value]) => `${name} = ${value}`).join(', ')}`];
}

/** One cause that two systems show by different facts: the words follow the fact that is there. */
function wordsBy(
  value: string,
  there: (values: DiagnosisValues) => DiagnosisSentences,
  absent: (values: DiagnosisValues) => DiagnosisSentences,
): (values: DiagnosisValues) => DiagnosisSentences {
  return (values) => (Object.hasOwn(values, value) ? there(values) : absent(values));
}

function percentOf(progress: string | number | null | undefined): string {
  return progress === null || progress === undefined ? 'in progress' : `at ${progress} %`;
}

function howItEnded({ exitCode, signal }: DiagnosisValues): string {
  if (signal !== null && signal !== undefined) return `by ${signal}`;
  return exitCode === null || exitCode === undefined ? 'by itself' : `with exit code ${exitCode}`;
}

function lastLineOf({ lastLine }: DiagnosisValues): readonly string[] {
  return lastLine === null || lastLine === undefined ? [] : [`the last line of its output: ${lastLine}`];
}

function runningPids(pids: string | number | null | undefined): readonly string[] {
  return pids === null || pids === undefined || pids === '' ? [] : [`still running: pid ${pids}`];
}

const DIAGNOSES: { readonly [Id in DiagnosisId]: (values: DiagnosisValues) => DiagnosisSentences } = {
  'deleted-at-boot': ({ incarnation, message, neighbour, line }) =>
    message === 1
      ? {
          title: 'the messages were deleted when a new worker started',
          evidence: [
            line !== undefined
              ? `the worker said: ${line}`
              : neighbour === 1
                ? `when worker #${incarnation} started, the broker had the job that waited behind; it is gone, and nobody was handed it`
                : `when worker #${incarnation} started, the broker had the job and the one that waited behind it; both are gone, and nobody was handed either`,
          ],
          fix: 'let a worker leave the queue as it is when it starts: no obliterate, clean, drain or purge of what waits or is active',
        }
      : {
          title: 'a new worker deleted the job',
          evidence: [`the delete was made by worker #${incarnation}`],
          fix: 'let the clean-up at start leave rows in processing alone, or hand them back to the queue instead of deleting them',
        },
  'successor-died': (values) => ({
    title: 'the new worker ended by itself',
    evidence: [`worker #${values['incarnation']} ended ${howItEnded(values)}`, ...lastLineOf(values)],
    fix: "let it start whatever its predecessor left behind (a pid file, a lock, a port, a half-written file); see its log in the run's folder",
  }),
  'redelivered-but-skipped': ({ deliveries }) => ({
    title: 'the job was handed out again and the new worker skipped it',
    evidence: [
      deliveries === null
        ? 'the broker still had it when the old worker was gone; it was taken and acknowledged without a write that shows work'
        : `delivery ${deliveries} was acknowledged without a write that shows work`,
    ],
    fix: 'claim rows in processing too when their owner is gone (compare a task id or lease), not only pending ones',
  }),
  'acked-before-done': ({ progress, celery, acksLate, pool }) => ({
    title: 'the message was acknowledged before the work was done',
    evidence:
      celery === undefined
        ? [
            `before the strike the broker already counted the job as finished, the row was ${percentOf(progress)}`,
          ]
        : [
            `before the strike the broker kept nothing of the job, and the row was ${percentOf(progress)}: the worker had acknowledged the message when it received it`,
            ...workerSays({ acks_late: acksLate, pool }),
          ],
    fix:
      celery === undefined
        ? 'acknowledge after the last write: await the work in the handler (BullMQ), set acks_late (Celery)'
        : 'set task_acks_late = True and task_reject_on_worker_lost = True (or acks_late=True and reject_on_worker_lost=True on the task), and make the task safe to run twice: a job that is handed out again begins anew',
  }),
  'task-not-registered': ({ line, task }) => ({
    title: 'no worker knows the task, so its message was dropped',
    evidence: line == null ? [] : [String(line)],
    fix: `start the worker with the module that defines ${task ?? 'the task'} (-A, include or imports), or name the task as it is registered with --task`,
  }),
  'child-death-acked': wordsBy(
    'line',
    ({ line, reach, rejectOnWorkerLost }) => ({
      title: 'a process of the pool died, and its parent acknowledged the job as a failure',
      evidence: [String(line), ...workerSays({ reject_on_worker_lost: rejectOnWorkerLost })],
      fix:
        reach === 'group'
          ? 'send TERM to the parent alone (systemd: KillMode=mixed); with task_acks_late and task_reject_on_worker_lost also set worker_prefetch_multiplier = 1'
          : 'set task_reject_on_worker_lost = True beside task_acks_late = True, and end a row that the task could not end itself',
    }),
    ({ broker }) => ({
      title: 'a child of the worker died, and its parent told the queue that the job was over',
      evidence: [`the broker, once the worker had left: ${broker}`],
      fix: 'take the death of a child for an interruption: let the message be handed out again (attempts above 1, or leave it to the check for stalled jobs), and end a row that no run can end itself',
    }),
  ),
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
      evidence: [`it was ${percentOf(progress)} when the signal came`],
      fix: 'on the signal hand back what is not done; write COMPLETED after the last effect alone',
    }),
  ),
  'lost-in-shutdown-window': wordsBy(
    'line',
    ({ line }) => ({
      title: 'the message was put back, and the pop of the worker that was going away swallowed it',
      evidence: [
        String(line),
        'with acks_late and reject_on_worker_lost the parent puts the message back, yet the broker keeps nothing of it',
      ],
      fix: 'send TERM to the parent alone (systemd: KillMode=mixed; no process group); set worker_prefetch_multiplier = 1, so that no request for more is outstanding; use kombu 5.3.2 or newer',
    }),
    wordsBy(
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
    evidence: [`while the job was being worked on (${percentOf(progress)}) the broker kept nothing of it`],
    fix: 'keep the message until the job has ended: a reliable pop (LMOVE to a processing list, a lock), no acknowledgement on receipt, no removal of the job on pick-up',
  }),
  'broker-gave-up-row-not-told': ({ reason, stalls, line, discarded }) => {
    if (line !== undefined) {
      return {
        title:
          discarded === 1
            ? 'the message was thrown away, and the row was never told'
            : 'the task failed, and the row was never told',
        evidence: [`the worker said: ${line}`],
        fix:
          discarded === 1
            ? 'let a message not expire that is to survive a restart (expires), or revoke it together with its row'
            : "write the end to the row when the task fails (on_failure, or around the work): Celery acknowledges a failure as it does a success; and mend what failed it, see the worker's log",
      };
    }
    return {
      title: 'the broker gave the job up, and the row was never told',
      evidence: [
        `the broker's reason: ${reason ?? 'none given'}${stalls === null ? '' : `, stalled ${stalls} ${stalls === 1 ? 'time' : 'times'}`}`,
      ],
      fix: "write the end to the row when the broker gives up (BullMQ: the worker's 'failed' event), and allow more stalls (maxStalledCount)",
    };
  },
  'not-yet-due': ({ due, timeoutMs, visibilityMs, dueAt, told, neighbour }) => ({
    title: neighbour === 1 ? 'the job that waited behind is not due yet' : 'the job is not due yet',
    evidence: [
      `the broker will hand it out ${due}; the run waited ${describeDuration(Number(timeoutMs))}`,
      ...(visibilityMs === undefined
        ? []
        : [
            `it lies in unacked, due at ${dueAt} at the earliest: visibility_timeout is ${describeDuration(Number(visibilityMs))}${told === 1 ? '' : " if it is kombu's default (no worker has told)"}; then the next worker that starts, or one that looks every 90 to 100 s, puts it back`,
          ]),
    ],
    fix:
      visibilityMs === undefined
        ? "raise --terminal-timeout, or shorten the broker's own recovery (BullMQ: lockDuration and stalledInterval; Celery: visibility_timeout)"
        : 'set visibility_timeout in broker_transport_options to little more than your longest job takes, or raise --terminal-timeout beyond it',
  }),
  'never-reclaimed': ({ owner, broker, silent }) => ({
    title: 'nobody takes the job back from the dead worker',
    evidence: [`${broker}${owner === null ? '' : ', which is gone'}`],
    fix:
      silent === 1
        ? 'let the task be acknowledged when it is done (task_acks_late=True with task_reject_on_worker_lost=True): what is acknowledged on receipt goes with its worker. Without remote control (worker_enable_remote_control) it cannot be told what became of the message'
        : 'let living workers look for dead owners (BullMQ: do not set skipStalledCheck; a lease needs a sweep that runs all the time)',
  }),
  'nobody-listens': ({ connected, queues, paused }) => ({
    title:
      paused === 1
        ? 'the queue is paused: it hands nothing out'
        : 'the job waits in the queue and nobody takes it',
    evidence: [
      connected === 1 ? 'a new worker was there and did not take it' : 'no new worker was seen at this queue',
      ...(queues == null ? [] : [`the workers say that they consume ${queues}`]),
    ],
    fix:
      paused === 1
        ? 'a worker that stops pauses itself (worker.pause, worker.close), not the queue of all workers (queue.pause); or resume the queue when a worker starts'
        : connected === 1 && queues == null
          ? 'let the worker consume again after a restart: a concurrency limit or lock that still counts the dead one, a paused queue, a handler for this task that was never registered'
          : "compare the worker's queue name (Celery: -Q, task_routes), prefix and database number with --queue-name and --broker-url",
  }),
  'group-waits-for-the-dead': wordsBy(
    'further',
    ({ further, progress }) => ({
      title: 'the job was split, and what was to end it waits for a part that died with the worker',
      evidence: [
        `when the worker was struck the broker had ${further ?? 'some'} of the messages that the job was split into; now it has none, and the row stands ${percentOf(progress)}`,
      ],
      fix: 'let the parts be acknowledged late (acks_late and reject_on_worker_lost on the tasks of the group or chord too), make them safe to run twice, and let something look for jobs whose last part never came',
    }),
    ({ progress }) => ({
      title: 'the job was split, and what was to end it waits for a part that died with the worker',
      evidence: [`the queue keeps it until its children are done, and the row stands ${percentOf(progress)}`],
      fix: 'let children outlive the death of a worker (maxStalledCount above 0), and let one that is given up for good fail its parent (failParentOnFailure) and be told to the row',
    }),
  ),
  'row-and-queue-disagree': ({ status, broker }) => ({
    title: 'row and queue disagree about the end',
    evidence: [`the row is ${status ?? 'unknown'}, and ${broker}`],
    fix: 'write the final state to the row first and acknowledge second, in every path; write the end to the row too when the queue gives up',
  }),
  'stuck-after-pickup': ({ broker, progress }) => ({
    title: 'a new worker took the job up and never finished it',
    evidence: [`it stands ${percentOf(progress)}; ${broker}`],
    fix: 'look for what it waits for that only the dead worker could have delivered (a lock, a file, an answer); raise --terminal-timeout if it is only slow',
  }),
  'stale-lock': ({ incarnation, again, ready }) => ({
    title: 'something of the dead worker keeps every new one away',
    evidence: [
      again != null
        ? `worker #${incarnation ?? '?'} was handed the job ${again} times and put it back each time, without a word in the row`
        : ready === 0
          ? `worker #${incarnation} runs and does not become ready, as the old one did`
          : `worker #${incarnation} runs and takes nothing, not even the job that only waits`,
    ],
    fix: 'let locks end with their holder: an expiry that is renewed, or an advisory lock of the session, not a row, key or pid file without an end',
  }),
  'announced-only': ({ incarnation }) => ({
    title: 'the worker takes only what is announced while it listens',
    evidence: [
      `worker #${incarnation} took a job that was submitted while it ran, and left alone those that were there when it came: this one, and one that only waits`,
    ],
    fix: 'take an announcement (NOTIFY, pub/sub) for a wake-up call, not for the queue: look for what waits and for what the dead have left at the start, after each reconnect, and now and then',
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
  'failed-at-boot': ({ incarnation, neighbour, state, stalled }) => {
    if (neighbour === 1) {
      return {
        title: 'a new worker ended a job that only waited',
        evidence: [
          `worker #${incarnation} made the job that waited behind ${state ?? 'ended'}, and nobody had begun with it`,
        ],
        fix: 'let the clean-up at start leave alone what waits: it is in the queue, and will be handed out',
      };
    }
    return stalled === 1
      ? {
          title: 'the job was marked failed because the queue had found it stalled',
          evidence: [`worker #${incarnation} wrote the failure, and the queue handed the job out again`],
          fix: "do not fail a job that has stalled: that is how the queue finds out that its worker died, and it hands the job out again (BullMQ: listen to 'failed', not to 'stalled')",
        }
      : {
          title: 'a new worker marked the job failed without having worked on it',
          evidence: [`worker #${incarnation} wrote the failure`],
          fix: 'let the clean-up at start leave rows in processing to the queue that hands them out again, or fail only those that no queue has any more',
        };
  },
  'failed-on-shutdown': () => ({
    title: 'the old worker marked its own job failed when it was stopped, and it was handed out again',
    evidence: [],
    fix: 'on the signal, let the job end or put it back to pending; a stop is no failure of the job',
  }),
  'redelivered-after-drain': ({ incarnation }) => ({
    title: 'the old worker finished the job before it left, and it was run again',
    evidence: [`worker #${incarnation} took up the job that had ended`],
    fix: 'keep the claim alive while draining (renew the lock, raise the visibility time), acknowledge before the connection is closed, and let a pick-up refuse jobs that have ended',
  }),
  'reran-finished-job': ({ state, incarnation }) => ({
    title: 'a job that had ended was taken up again',
    evidence: [
      `it was ${state} already${incarnation == null ? '' : `, and worker #${incarnation} went on with it`}`,
    ],
    fix: 'let a pick-up acknowledge and leave alone what has ended (where status not in the final ones), and write the end before the acknowledgement',
  }),
  'step-mapped-as-end': ({ state, first, second }) => ({
    title: 'two words for one end: the first may be a step on the way',
    evidence: [`the job was ${first}, then ${second}; both mean ${state} by jobs.statuses`],
    fix: `if work goes on after ${first ?? 'the first'}, map it as work: move it from jobs.statuses.${state ?? 'completed'} to jobs.statuses.processing in the config file; if it is the end, write nothing after it`,
  }),
  'wrote-after-end': ({ columns, afterMs }) => ({
    title: 'the row was written after its end',
    evidence: columns == null ? [] : [`${columns}, ${describeDuration(Number(afterMs ?? 0))} after the end`],
    fix: 'write the final state last, in one statement; fence every other write by status (where status = processing), also in a finally or a timer',
  }),
  'ended-unworked': ({ state }) => ({
    title: `the job was marked ${state ?? 'ended'} though nobody had worked on it`,
    evidence: [],
    fix: 'let only the run that has done the work write its end; a recovery hands jobs back, it does not end them',
  }),
  'rerun-cannot-succeed': () => ({
    title: 'run again, the job cannot succeed any more',
    evidence: [],
    fix: "see the row's error: what the first run used up or left in the way must not stop the second",
  }),
  'items-missing': ({ items }) => ({
    title: 'the job is completed and items of it are missing',
    evidence: [`${items} without an effect`],
    fix: 'resume by what is really there (the effects), not by a percentage; write COMPLETED after the last effect; let no error be swallowed',
  }),
  'effects-not-idempotent': ({ items }) => ({
    title: 'finished items were done again',
    evidence: [`${items} more than once`],
    fix: 'skip what is done, or make the effect unique by job and file (a unique key, insert … on conflict do nothing), in one transaction with the mark that it is done',
  }),
  'recovered-live-job': ({ incarnation }) => ({
    title: 'a new worker took the job from one that was alive and at work',
    evidence: [`worker #${incarnation} claimed it before the old one was asked to stop`],
    fix: "recover at the start only what nobody holds any more (an ended lease, an old heartbeat, the queue's own check for stalled jobs), not everything that is in processing",
  }),
  'no-fencing': ({ older, newer }) => ({
    title: 'an older claim wrote after a newer one had taken over',
    evidence: older === null ? [] : [`worker #${older} after worker #${newer}`],
    fix: 'give every pick-up a token of its own (not the host, pid or name), and make each write conditional on still holding it',
  }),
  'recovery-hit-finished-jobs': ({ before, after, effects }) => ({
    title:
      effects === 1
        ? 'what a job had left that had ended before is gone'
        : 'a recovery changed a job that had ended before',
    evidence: effects === 1 ? [] : [`${before} became ${after}`],
    fix: 'let recovery touch only rows whose owner is proved gone, never rows in a final state, nor what they have left',
  }),
  'slot-left-behind': ({ status, refused }) => ({
    title:
      refused === 1 ? 'since the restart every job is refused' : 'a job that waited behind was never run',
    evidence: [
      refused === 1
        ? `both this job and the one behind it are ${status}, and one like it had completed before`
        : `it is still ${status}, though the job before it has ended`,
    ],
    fix: 'let slots, limits and locks end with their holder (a lease, an advisory lock of the session), not only on the normal way out',
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
  'progress-miscounted': ({ progress }) => ({
    title: 'the progress of the finished job is not that of a finished job',
    evidence: [`it completed at ${progress} %`],
    fix: 'derive progress from what is done (the effects, the results of the files), in the transaction that stores them: a counter that each part raises counts twice what is done again, and not at all what died in between',
  }),
  'restarts-burn-retries': ({ spent, restarts, stalled }) => ({
    title:
      stalled === 1
        ? 'the queue gave the job up because its worker had died once too often'
        : 'restarts use up the retries',
    evidence:
      stalled === 1
        ? ['it had stalled more often than the queue allows']
        : [`${spent} retries for ${restarts} ${restarts === 1 ? 'restart' : 'restarts'}`],
    fix:
      stalled === 1
        ? 'allow as many stalls as there may be restarts in the life of a job (BullMQ: maxStalledCount, 1 by default)'
        : 'count a retry when an attempt has failed, not when it is interrupted or begins',
  }),
  'retries-miscounted': () => ({
    title: 'retries are not counted as they happen',
    evidence: [],
    fix: 'raise retry_count once, in the write that fails the attempt, and never set it back',
  }),
  'queue-leftovers': () => ({
    title: 'what was set for the job in the broker outlives it',
    evidence: [],
    fix: 'take alarms, repeating entries and locks of a job back when it ends, however it ends; give every lock an expiry',
  }),
  'backoff-lost': () => ({
    title: 'the restart changed when the job is retried',
    evidence: [],
    fix: 'keep the due time in the queue or the row (a delayed message, last_retry_at), not in a timer of the worker',
  }),
  'started-at-reset': ({ created }) => ({
    title: `${created === 1 ? 'created_at' : 'started_at'} did not survive the second pick-up`,
    evidence: [],
    fix:
      created === 1
        ? 'leave it alone when a job is handed back or taken up again: it was made once'
        : 'set it only once: started_at = coalesce(started_at, now())',
  }),
  'completed-at-missing': ({ early }) => ({
    title:
      early === 1
        ? 'completed_at is not the time of the end: it was set before'
        : 'the end was written without completed_at',
    evidence: [],
    fix:
      early === 1
        ? 'set completed_at with the final status alone, and whatever stands there already (no coalesce); a recovery that stamps it has to leave it empty for jobs that go on'
        : 'set completed_at in the same statement as the final status, in every path (completed, failed, cancelled)',
  }),
  'clock-mixed': () => ({
    title: 'two clocks or two time zones are mixed in the timestamps',
    evidence: [],
    fix: 'take every timestamp from the database (now()), and use timestamptz; local time does not belong in a column without a zone',
  }),
  'resumed-as-new-job': ({ part }) => ({
    title:
      part === 1
        ? 'the rest of the job was perhaps made a job of its own'
        : 'the job was resumed as a second row',
    evidence: [],
    fix: 'resume the existing row; insert only with a key that a second insert would violate',
  }),
  'children-enqueued-twice': () => ({
    title: 'the second run made its children again',
    evidence: [],
    fix: 'give each child a key made of its parent and its item, unique in the table and as the message id, so that the second is refused',
  }),
  'recovered-twice': () => ({
    title: 'the job was put into the queue again though the broker hands it out again by itself',
    evidence: [],
    fix: 'leave redelivery to the broker, or enqueue with the same job id so that the second is refused',
  }),
  'ended-before-restart': ({ hold, by, refused }) => ({
    title: 'the job ended before it could be interrupted',
    evidence: [],
    fix:
      by === 'operator' && hold === 0 && refused !== 1
        ? 'let the job be held (leave --no-hold out), or give it more or slower files (--files)'
        : 'give the job more or slower files (--files 20), or strike earlier (--strike-at processing)',
  }),
  'strike-never-came': wordsBy(
    'broker',
    ({ status, progress, broker }) => ({
      title: 'the message was acknowledged, and no work on the job was seen',
      evidence: [`the row is ${status ?? 'unknown'} ${percentOf(progress)}, and ${broker}`],
      fix: 'let the handler return when the work is done (await it; acks_late in Celery), and let no guard, wrong id or swallowed error end it before; if the work is done, let the worker write its progress and its end to the watched row',
    }),
    ({ strikeAt, status, progress }) => ({
      title: 'the moment to strike never came',
      evidence: [`waited for ${strikeAt ?? 'it'}; the row is ${status ?? 'unknown'} ${percentOf(progress)}`],
      fix: "see the worker's log for what it waits for; if it does work and does not show it, strike at another moment: --strike-at processing, or a time since then such as --strike-at 2s",
    }),
  ),
  'not-in-flight': ({ strikeAt, status }) => ({
    title: 'the job was not in flight when the restart began',
    evidence: [`its status was ${status ?? 'unknown'} (--strike-at ${strikeAt})`],
    fix: 'name every status that means work in jobs.statuses.processing, or choose another moment with --strike-at',
  }),
  'died-before-strike': (values) => ({
    title: 'the worker ended by itself before it was struck',
    evidence: [`worker #${values['incarnation']} ended ${howItEnded(values)}`, ...lastLineOf(values)],
    fix: "see its log in the run's folder: a worker that does not live through one job cannot be verified",
  }),
  'stopped-politely': ({ by }) => ({
    title: 'the worker was stopped politely, not killed',
    evidence: [],
    fix:
      by === 'operator'
        ? 'kill it with SIGKILL (kill -9 <pid>; plain kill and pkill send TERM), or verify the polite stop itself with --scenario graceful'
        : 'let the stop command send SIGKILL (docker kill, kubectl delete --grace-period=0 --force), or use --scenario graceful',
  }),
  'worker-not-restarted': ({ pids, by }) => ({
    title: 'the worker that held the job was not restarted',
    evidence: runningPids(pids),
    fix:
      by === 'command'
        ? 'let --worker-stop end the worker itself and return when it has: its exit code proves nothing'
        : runningPids(pids).length === 0
          ? 'kill the worker that the panel names, then start it again'
          : `kill it (kill -9 ${pids}), then start it again`,
  }),
  'signal-swallowed': ({ signal, pids, passedOn }) => ({
    title: `the worker did not go away on ${signal ?? 'the signal'}`,
    evidence: [
      ...(passedOn === 0 ? ['its main process went, and others did not'] : []),
      ...runningPids(pids),
    ],
    fix:
      passedOn === 0
        ? 'let what starts the worker pass the signal on and wait for it (exec in a shell script; a supervisor that forwards signals), and let the worker take its children along'
        : pids === ''
          ? 'let --worker start the worker itself, in the foreground: what consumes the queue is none of its processes (a daemon, a supervisor); or use --worker-stop and --worker-start'
          : 'let the worker stop on the signal and exit when the job in hand has ended, or use --scenario deploy, which kills after the grace period',
  }),
  'orphan-children': ({ pids }) => ({
    title: 'a part of the worker outlived it',
    evidence: pids == null ? [] : [`still running when its main process had gone: pid ${pids}`],
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
        : by === 'command'
          ? 'let --worker-start start a worker of this queue, and see where that logs to: that the command exits with 0 proves nothing'
          : "see the worker's log in the run's folder",
  }),
  'writers-unknown': ({ source, pooled }) => ({
    title: 'whose writes these are cannot be told',
    evidence: [
      pooled === 1
        ? 'a connection pooler stands between the workers and the database'
        : source === 'poll'
          ? 'the row is polled, which does not show who writes'
          : 'their connections belong to no worker of this run',
    ],
    fix: "let the harness run the worker (--auto-restart --worker), give it the server's own port instead of the pooler's, and the harness the right to make a trigger; stop other workers meanwhile",
  }),
  'work-not-shown': () => ({
    title: 'the row does not show who works on it',
    evidence: [],
    fix: 'let a pick-up write something of its own to the row (a task id, an owner, started_at, progress) and name its column in jobs.columns',
  }),
  'status-not-mapped': ({ status }) => ({
    title: `what the status ${status === undefined ? 'of the row' : JSON.stringify(status)} means is not configured`,
    evidence: [],
    fix: 'add the word to the state that it means: pending, processing, completed, failed or cancelled in jobs.statuses of the config file',
  }),
  'effects-unknown': () => ({
    title: 'whether the files were processed is not known',
    evidence: [],
    fix: 'configure effects.sql, which counts what each file left behind (docs/configuration.md): it settles whether the work was done',
  }),
  'expected-end-unknown': () => ({
    title: 'how the job ends without a restart is not known',
    evidence: [],
    fix: 'leave --control on auto, so that the same job is run once without a restart; if that one fails too, the worker cannot work on the dummy files',
  }),
  'hold-hurt': () => ({
    title: 'the hold got in the way of the worker',
    evidence: [],
    fix: 'run again with --no-hold and a job that takes long enough to be interrupted by hand (--files)',
  }),
};

/** @param words what the sentences of the run have in common: a state is told by the table's own word */
export function describeDiagnosis(
  id: DiagnosisId,
  values: DiagnosisValues,
  { word }: RunWords,
): DiagnosisWords {
  const { state } = values;
  const told = typeof state === 'string' ? { ...values, state: word(state) } : values;
  return { ...DIAGNOSES[id](told), docs: `docs/diagnoses.md#${id}` };
}
