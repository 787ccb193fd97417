/**
 * The job that had ended before the strike was not touched again; the one that waited behind ran to its end, once.
 *
 * Why: recovery code hits the wrong jobs: it fails or resets rows that ended long ago, and slots or locks of the dead
 * keep everybody else from running.
 * What would fool it: looking at the subject alone, which may be perfect while its neighbours are not.
 */
import { dueAfter } from '../broker-words.ts';
import { isTerminal } from '../event.ts';
import { effectsOf } from '../effects.ts';
import { finding, type Finding } from '../findings.ts';
import { changesOf, jobInRole, lastSnapshotBefore, type History } from '../history.ts';
import { judgement, type Criterion } from './criterion.ts';

export const witnessesUnharmed: Criterion = {
  id: 'witnesses-unharmed',
  title: 'its neighbours were not harmed',
  judge(history, facts) {
    const ended = jobInRole(history, 'witness-ended');
    const waiting = jobInRole(history, 'witness-waiting');
    if (ended === undefined && waiting === undefined) return judgement('skipped', finding('no-witnesses'));
    if (facts.begun === undefined) return judgement('inconclusive', finding('no-restart'));
    const problems = [
      ...(ended === undefined ? [] : harmToEnded(history, ended)),
      ...(waiting === undefined ? [] : harmToWaiting(history, waiting)),
    ];
    // What keeps the subject from being due yet keeps the one behind it too.
    const due = dueAfter(history, lastSnapshotBefore(facts.snapshots));
    const onlyWaits = problems.every(({ code }) => code === 'waiting-witness-stuck');
    if (problems.length > 0 && onlyWaits && due !== undefined && facts.terminal === undefined) {
      return judgement('inconclusive', ...problems, finding('not-due-yet', { due }));
    }
    return problems.length > 0
      ? judgement('failed', ...problems)
      : judgement('passed', finding('witnesses-well', { waited: waiting === undefined ? 0 : 1 }));
  },
};

function harmToEnded(history: History, job: string): readonly Finding[] {
  const changes = changesOf(history, job);
  const end = changes.find((version) => version.values !== null && isTerminal(version.values.state));
  if (end === undefined) return [];
  const touched = changes.find(
    (version) =>
      version.seq > end.seq &&
      (version.values === null ||
        version.values.status !== end.values?.status ||
        version.values.progress !== end.values.progress ||
        version.values.taskId !== end.values.taskId),
  );
  const effects = effectsOf(history, job);
  return [
    ...(touched === undefined
      ? []
      : [
          finding('ended-witness-touched', {
            before: end.values?.status ?? '',
            after: touched.values?.status ?? 'gone',
          }),
        ]),
    ...(effects?.repeated ?? []).map(({ item, count }) => finding('effect-repeated', { item, count })),
  ];
}

function harmToWaiting(history: History, job: string): readonly Finding[] {
  const changes = changesOf(history, job);
  const now = changes.at(-1)?.values;
  if (now === null) return [finding('waiting-witness-gone')];
  if (now === undefined || !isTerminal(now.state)) {
    return [finding('waiting-witness-stuck', { status: now?.status ?? 'unknown' })];
  }
  const ends = changes.filter((version, index) => {
    const before = changes[index - 1]?.values;
    const ended = version.values !== null && isTerminal(version.values.state);
    return ended && !(before != null && isTerminal(before.state));
  });
  const effects = effectsOf(history, job);
  return [
    ...(ends.length > 1 ? [finding('waiting-witness-twice', { times: ends.length })] : []),
    ...(effects?.repeated ?? []).map(({ item, count }) => finding('effect-repeated', { item, count })),
    ...(now.state === 'completed' ? (effects?.missing ?? []) : []).map((item) =>
      finding('effect-missing', { item }),
    ),
  ];
}
