/**
 * Every sentence about a finding, by its code. Criteria know the facts; how they are told is decided here alone, and a
 * code without a sentence does not compile.
 */
import type { JobState } from '../core/event.ts';
import type { Finding, FindingArguments, FindingCode } from '../core/findings.ts';
import { describeDuration } from './durations.ts';
import type { RunWords } from './run-words.ts';

type Sentences = {
  readonly [Code in FindingCode]: (values: FindingArguments[Code], words: RunWords) => string;
};

function percent(progress: number | null): string {
  return progress === null ? '' : ` ${progress} %`;
}

function byWhom(incarnation: number | null): string {
  return incarnation === null ? '' : ` by worker #${incarnation}`;
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

export function baseName(path: string): string {
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
  'unseen-by-polling': ({ unseen }) => `not judged: polling cannot see ${unseen}`,
  'not-looked-at-after-restart': (_, { since }) => `the row was not looked at ${since}`,
  'history-breaks-off': () => 'the record breaks off or has gaps: what is missing may still have come',

  'no-restart': () => 'no restart took place',
  'fault-disarmed': ({ fault }) => `the fault (${fault}) was disarmed`,
  'ended-before-strike': ({ state }, { word }) => `the job was ${word(state)} before it could be struck`,
  'ended-by-old-worker': ({ state, incarnation }, { word }) =>
    `worker #${incarnation} itself brought the job to ${word(state)} before it was gone: nothing was left to recover`,
  'ended-while-stopping': ({ state }, { word }) =>
    `the job became ${word(state)} while the worker went away, by whom cannot be told`,
  'not-in-flight': ({ state, broker }, { word }) =>
    `the job was not being worked on: its row was ${word(state)}, ${broker}`,
  'nobody-was-struck': ({ incarnation, how }) =>
    `worker #${incarnation} had ended before it was struck (${how})`,
  'holder-not-struck': ({ writer, incarnation }) =>
    `at the moment to strike the last write had come from ${writer}, which is not worker #${incarnation}: somebody else works on this queue`,
  'holder-unknown': () => 'which worker held the job could not be found out',
  'worker-still-there': ({ incarnation, pids, connections }) =>
    pids === ''
      ? `worker #${incarnation} is still connected (${connections})`
      : `worker #${incarnation} is still there (pid ${pids})`,
  'worker-not-seen-gone': ({ incarnation }) => `worker #${incarnation} was not seen to go away`,
  'connection-lives-on': ({ incarnation }) =>
    `worker #${incarnation} is new to the broker, but its old database connection lives on: it may only have reconnected`,
  'no-new-worker': () => 'no new worker was seen after the old one had gone',
  'handed-back-politely': ({ incarnation }) =>
    `worker #${incarnation} handed the job back before it left: a polite stop, not a crash`,
  'struck-in-flight': ({ fault, incarnation, state, progress }, { word }) =>
    `${fault} to worker #${incarnation} while the job was ${word(state)}${percent(progress)}`,
  'restarted-in-flight': ({ incarnation, state, progress }, { word }) =>
    `worker #${incarnation} was restarted while the job was ${word(state)}${percent(progress)}`,
  'in-flight-by-broker': ({ owner }) => `the broker counted it as held by ${owner}`,
  'worker-gone': ({ incarnation, proof, connectionsGone, afterMs }) =>
    `worker #${incarnation} gone after ${describeDuration(afterMs)} (${
      proof === 'processes' ? 'every process of its tree' : 'its connections'
    }${proof === 'processes' && connectionsGone ? ' and connection' : ''})`,
  'new-worker': ({ incarnation, afterMs }) =>
    `worker #${incarnation} there after ${describeDuration(afterMs)}`,
  'new-worker-died': ({ incarnation, how, afterMs }, { since }) =>
    `worker #${incarnation} was started and ended by itself (${how}), ${describeDuration(afterMs)} ${since}`,
  drained: ({ incarnation, state }, { word }) =>
    `worker #${incarnation} finished the job (${word(state)}) before it left: a drain; redelivery was not exercised`,
  'work-after-kill': ({ incarnation, writes }) =>
    `${count(writes, 'write', 'writes')} of worker #${incarnation} came long after it was killed: a process of it was not among those that were struck`,
  'write-after-gone': ({ incarnation }) =>
    `worker #${incarnation} wrote to the row after all its known processes were gone: something of it lives on`,
  'hold-broken': ({ reason }) => `the hold on the row was broken: ${reason}`,
  'hold-hurt': ({ error }) => `the worker ran into a lock or statement time-out under the hold: ${error}`,

  'picked-up-by-write': ({ incarnation, by, afterMs }, { since }) =>
    `worker #${incarnation}, ${describeDuration(afterMs)} ${since}${
      by === 'absence' ? ' (nothing of the old one was left)' : ''
    }`,
  'picked-up-by-task': ({ before, after, afterMs }, { since }) =>
    `task ${after} instead of ${before}, ${describeDuration(afterMs)} ${since}`,
  'picked-up-by-broker': ({ deliveries, afterMs }, { since }) =>
    `delivery ${deliveries} by the broker's count, and the row changed, ${describeDuration(afterMs)} ${since}`,
  'drained-so-not-exercised': () => 'drained: nothing left to pick up',
  'handed-out-without-work': ({ deliveries }) =>
    `handed out again (delivery ${deliveries}), but no work on the job followed`,
  'nobody-picked-up': ({ afterMs, broker }) =>
    `no new worker touched it within ${describeDuration(afterMs)}; ${broker}`,
  'unattributed-writes': ({ writes }, { since }) =>
    `${count(writes, 'write', 'writes')} ${since} cannot be attributed to a worker`,
  'ended-unworked': ({ state, incarnation }, { word }) =>
    `it was marked ${word(state)}${byWhom(incarnation)} while the broker still had it undelivered: nobody had worked on it`,
  'ended-without-work-shown': ({ state, incarnation }, { word }) =>
    `it was marked ${word(state)}${byWhom(incarnation)} without a claim or progress before: whether anybody worked on it cannot be told`,
  'ended-sooner-than-control': ({ bothMs, controlMs }) =>
    `both workers together had ${describeDuration(bothMs)} for it, which takes ${describeDuration(controlMs)} without a restart: whether all of it was done cannot be told`,
  'ended-too-soon': ({ state, incarnation }, { word }) =>
    `it was marked ${word(state)}${byWhom(incarnation)} in less time than one file takes, with several files left to do: whether they were done cannot be told from the row`,
  'written-undelivered': ({ writes }) =>
    `${count(writes, 'write', 'writes')} came from an unknown connection after the old worker had gone, while the broker had not handed the job out again: a process of the old worker may live on`,
  'written-by-nobody': ({ writes }) =>
    `the job went on (${count(writes, 'change', 'changes')}) after the old worker had gone and before another was started: somebody else works on it, or what is seen of it comes late`,
  'only-touched': ({ incarnation }) =>
    `worker #${incarnation} wrote to the row, but neither a claim nor progress shows that it worked on it`,
  'not-due-yet': ({ due }) => `the broker will hand it out ${due}: the run ended before`,
  'nothing-to-pick-up': () => 'the job was not interrupted, so there was nothing to pick up',

  reached: ({ state, afterMs }, { since, word }) => `${word(state)}, ${describeDuration(afterMs)} ${since}`,
  'reached-before-restart': ({ state }, { word }) => `${word(state)}, without an interruption`,
  'reached-and-left': ({ reached, now }, { word }) => `it was ${word(reached)}, and then ${word(now)} again`,
  'status-not-mapped': ({ status }) =>
    `the status ${JSON.stringify(status)} is in none of jobs.statuses: what it means is not known`,
  'not-terminal': ({ state, progress, afterMs }, { since, word }) =>
    `still ${word(state)}${percent(progress)} ${describeDuration(afterMs)} ${since}`,
  'broker-says': ({ text }) => text,

  'no-timestamp-columns': () => 'the table has neither started_at nor completed_at',
  'started-at-kept': ({ startedAt }) => `started_at kept: ${startedAt}`,
  'created-at-changed': ({ before, after, incarnation }) =>
    `created_at was changed from ${before} to ${after}${byWhom(incarnation)}`,
  'started-at-changed': ({ before, after, incarnation }) =>
    `started_at was changed from ${before} to ${after}${byWhom(incarnation)}`,
  'started-at-lost': ({ before, incarnation }) => `started_at (${before}) was emptied${byWhom(incarnation)}`,
  'started-at-missing': () => 'the job ended and started_at was never set',
  'completed-at-set': ({ completedAt }) => `completed_at set: ${completedAt}`,
  'completed-at-missing': ({ state }, { word }) => `the job is ${word(state)} and completed_at is empty`,
  'completed-at-early': ({ completedAt }) =>
    `completed_at was set while the job was still worked on, and kept: ${completedAt}`,
  'completed-at-not-due': () => 'completed_at is not due: the job has not ended',
  'timestamps-out-of-order': ({ earlier, later, earlierAt, laterAt }) =>
    `${later} (${laterAt}) lies before ${earlier} (${earlierAt})`,
  'timestamp-shifted': ({ column, hours }) =>
    `${column} was written ${Math.abs(hours)} h ${hours > 0 ? 'ahead of' : 'behind'} its time: another time zone`,
  'clocks-differ': ({ earlier, later, offsetMs }) =>
    `${later} is earlier than ${earlier}, which the clocks explain: the database's is ${describeDuration(Math.abs(offsetMs))} ${offsetMs > 0 ? 'ahead of' : 'behind'} this machine's`,
  'timestamps-not-comparable': ({ earlier, later, zones }) =>
    zones
      ? `${earlier} and ${later} cannot be compared: one has a time zone, the other has none`
      : `${earlier} and ${later} cannot be compared: one of them is no date with a time of day`,

  'one-row': ({ children }) =>
    children === 0 ? 'one row' : `one row and ${count(children, 'child', 'children')}`,
  'further-rows': ({ ids }) => `another row carries the same files: ${ids}`,
  'further-children': ({ ids }) => `two child rows carry the same files: ${ids}`,
  'parts-since-restart': ({ ids }) =>
    `since the restart there are rows with a part of the files (${ids}); before it the job was worked on without: children, or the rest of the job once more`,
  'child-or-duplicate': ({ ids }) =>
    `another row carries its only file, as its child or its copy would: ${ids}`,
  'one-message': ({ most }) => (most === 0 ? 'no message left' : 'never more than one message'),
  'parts-or-duplicates': ({ messages }) =>
    `the broker had ${messages} messages for it at once, and several before the restart could have made one: whether they are steps of the job or copies of it cannot be told (give the steps a task name of their own, or make no-duplicate-jobs advisory)`,
  'further-messages': ({ messages }) => `the broker had ${messages} messages for it at once`,
  'messages-not-counted': () => 'messages could not be counted in this broker',
  'rows-not-counted': () => 'the rows were not counted',
  'rows-not-visible': ({ reason }) => `rows cannot be counted: ${reason}`,

  'no-end-to-compare': () => 'the job did not end',
  'ended-as-expected': ({ state }, { word }) => word(state),
  'ended-as-control': ({ state }, { word }) => `${word(state)}, as the control job did without a restart`,
  'progress-unusual': ({ progress, before }) =>
    `it completed at ${Math.round(progress)} %, the job before the restart at ${Math.round(before)} %, and no control tells what is usual`,
  'ended-at-other-progress': ({ progress, expected }) =>
    `it completed at ${Math.round(progress)} %; the same job without a restart completes at ${Math.round(expected)} %`,
  'ended-otherwise': ({ state, expected, error }, { word }) =>
    `${word(state)}${error === '' ? '' : ` (${error})`}; without a restart the same job is ${word(expected)}`,
  'control-refused-too': ({ state, error }, { since, word }) =>
    `${word(state)}${error === '' ? '' : ` (${error})`}, and so is the control, which ran ${since}; the job of one file that ran before it completed`,
  'expected-end-unknown': ({ state, error }, { word }) =>
    `${word(state)}${error === '' ? '' : ` (${error})`}; whether that is the restart's doing is unknown without a control`,

  'cancelled-by-others': () => 'somebody who is no worker of this run cancelled it',

  'no-progress-column': () => 'the table shows no progress',
  'progress-went-down': ({ before, after, incarnation }) =>
    `progress went from ${before} % to ${after === null ? 'nothing' : `${after} %`}${byWhom(incarnation)}`,
  'effects-are-whole': () =>
    "every effect is there exactly once all the same: if beginning again is meant, set criteria: { 'progress-monotonic': 'advisory' }",
  'progress-rose': ({ highest }) => `up to ${highest} %`,
  'effects-not-counted': () => 'no effects query is configured, so effects were not counted',
  'effects-not-comparable': () =>
    'none of the items that the effects query names is a file of the job: it must give the path as it was submitted',
  'effect-repeated': ({ item, count: times }) => `${baseName(item)} was processed ${times} times`,
  'effects-late': ({ items }) =>
    `${count(items, 'effect', 'effects')} came only after the end; whether a crash in between would lose ${items === 1 ? 'it' : 'them'} was not tried`,
  'effect-missing': ({ item }) => `${baseName(item)} left no effect, though the job is completed`,
  'effects-so-far': ({ items }) =>
    `the job has not ended: what is not there yet is not missing (${count(items, 'effect', 'effects')}, each once)`,
  'effects-once': ({ items }) => `${count(items, 'effect', 'effects')}, each once`,
  'changed-after-end': ({ state, now, columns, afterMs, incarnation }, { word }) =>
    `${describeDuration(afterMs)} after it was ${word(state)}, ${columns} changed${byWhom(incarnation)}; the status is now ${now}`,
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
  'workers-do-not-tell': () =>
    'this broker does not show what its workers hold, and yours answer no remote control (worker_enable_remote_control)',
  'broker-not-asked': () => 'the broker could not be asked',
  'broker-hidden': ({ reason }) => reason,
  'row-and-queue-disagree': ({ state, broker }, { word }) => `the row is ${word(state)}, and ${broker}`,
  'still-in-queue': ({ broker, due }) =>
    `the job has ended, and ${broker}; it will be handed out again ${due}`,
  'messages-left': ({ messages }) => `${count(messages, 'message', 'messages')} of the job left in the queue`,
  'set-for-the-job': ({ what, due }) => `the broker still keeps what was set for the job: ${what}, ${due}`,
  'lock-stands': ({ name }) => `a lock of the job stands for ever: ${name}`,
  'no-witnesses': () => 'no witnesses were used',
  'witnesses-well': ({ waited }) =>
    waited === 0 ? 'the ended job was left alone' : 'one ended and left alone, one waited and ran once',
  'ended-witness-touched': ({ before, after }) =>
    `a job that was ${before} before the strike became ${after}`,
  'waiting-witness-gone': () => 'the job that waited behind is gone',
  'waiting-witness-failed': ({ state, error }, { word }) =>
    `the job that waited behind is ${word(state)}${error === '' ? '' : ` (${error})`}, though its file is good`,
  'ended-witness-effect-gone': ({ item }) =>
    `the job that had ended before the restart had an effect of ${baseName(item)}, which is gone`,
  'waiting-witness-stuck': ({ status }) => `the job that waited behind never ended: it is ${status}`,
  'waiting-witness-not-awaited': ({ status }) =>
    `the job that waited behind is ${status}, and was not waited for to its end`,
  'waiting-witness-reopened': ({ before, now }) =>
    `the job that waited behind was ${before} and is ${now} again`,
  'waiting-witness-twice': ({ times }) => `the job that waited behind ended ${times} times`,
  'nothing-retried': () => 'nothing was retried',
  'backoff-unknown': ({ retries }) =>
    `${count(retries, 'retry', 'retries')}, how long each should wait is not configured`,
  'retry-counted-twice': ({ retry, step }) => `retry ${retry} was counted ${step} times`,
  'retried-too-early': ({ retry, waitedMs, leastMs }) =>
    `retry ${retry} came after ${describeDuration(waitedMs)}, ${describeDuration(leastMs)} at the earliest were due`,
  'backoff-begun-anew': ({ retry, waitedMs, leastMs }) =>
    `the wait for retry ${retry} began anew: it came after ${describeDuration(waitedMs)}, ${describeDuration(leastMs)} were due`,
  'retry-never-came': ({ retry }) => `retry ${retry} never came`,
  'backoff-kept': ({ retries }) => `${count(retries, 'retry', 'retries')}, none before its time`,

  'criterion-threw': ({ message }) =>
    `this criterion could not be judged, which is a bug of verify-restart: ${message}`,
};

export function describeFinding(finding: Finding, words: RunWords): string {
  // Each entry takes exactly the values of its own code; the union of all of them is beyond what the type can say.
  const sentence = SENTENCES[finding.code] as (values: Finding, words: RunWords) => string;
  return sentence(finding, words);
}

/**
 * What is left of a finding where the criterion passed and one line has to do; `null`: nothing that the criterion's
 * title does not say already.
 */
const BRIEFLY: {
  readonly [Code in FindingCode]?: (values: FindingArguments[Code], words: RunWords) => string | null;
} = {
  'started-at-kept': () => 'started_at kept',
  'completed-at-not-due': () => null,
  'completed-at-set': () => 'completed_at set',
  'one-row': ({ children }) =>
    children === 0 ? 'one row' : `one row, ${count(children, 'child', 'children')}`,
  'one-message': () => 'one message',
  'messages-not-counted': () => 'messages not counted',
  'struck-in-flight': ({ fault, state, progress }, { word }) =>
    `${fault.replace(/ \([a-z]+\)$/, '')} at ${moment(state, progress, word)}`,
  'restarted-in-flight': ({ state, progress }, { word }) => `at ${moment(state, progress, word)}`,
  'in-flight-by-broker': () => 'held in the broker',
  'worker-gone': ({ afterMs }) =>
    afterMs === 0 ? 'the worker gone' : `gone after ${describeDuration(afterMs)}`,
  'new-worker': () => null,
  'picked-up-by-write': ({ incarnation, afterMs }, { since }) =>
    `worker #${incarnation}, ${describeDuration(afterMs)} ${since}`,
  'picked-up-by-task': ({ afterMs }, { since }) => `a new task, ${describeDuration(afterMs)} ${since}`,
  'picked-up-by-broker': ({ deliveries, afterMs }, { since }) =>
    `delivery ${deliveries}, ${describeDuration(afterMs)} ${since}`,
  drained: () => 'drained',
  // What the broker gives as its reason is the row's error once more.
  'broker-says': ({ text }) => text.split(': ')[0] ?? text,
  'effects-not-counted': () => 'no effects query is configured',
  'writers-in-order': ({ claims }) => (claims === 0 ? null : count(claims, 'claim', 'claims')),
  'witnesses-well': ({ waited }) => (waited === 0 ? 'one ended' : 'one ended, one ran once'),
  'observed-by-polling': () => 'by polling',
};

function moment(state: JobState, progress: number | null, word: RunWords['word']): string {
  return state !== 'processing' || progress === null ? word(state) : `${progress} %`;
}

/** The finding in a few words, or `null` where it can be left out. */
export function describeBriefly(finding: Finding, words: RunWords): string | null {
  const brief = BRIEFLY[finding.code] as ((values: Finding, words: RunWords) => string | null) | undefined;
  return brief === undefined ? describeFinding(finding, words) : brief(finding, words);
}
