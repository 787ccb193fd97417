/** A history's judgement in a form that tests can compare at a glance. */
import type { DiagnosisValues } from '../core/diagnosis/diagnosis.ts';
import type { DiagnosisId } from '../core/diagnosis/index.ts';
import { attributeWrites } from '../core/attribution.ts';
import type { FindingCode } from '../core/findings.ts';
import type { History } from '../core/history.ts';
import { judge } from '../core/report.ts';
import type { CriterionStatus } from '../core/verdict.ts';
import type { RunBuilder } from './history-builder.ts';

/** `passed picked-up-by-write`: the status, then the code of every finding. */
export function judgedAs(history: History, criterion: string): string {
  const judged = judge(history).criteria.find(({ id }) => id === criterion);
  return judged === undefined
    ? 'not judged'
    : [judged.status, ...judged.evidence.map(({ code }) => code)].join(' ');
}

export function diagnosedAs(history: History): readonly string[] {
  return judge(history).diagnoses.map(({ id }) => id);
}

/** What the diagnosis with this id says; `undefined`: it is not named. */
export function valuesOfDiagnosis(history: History, id: DiagnosisId): DiagnosisValues | undefined {
  return judge(history).diagnoses.find((diagnosis) => diagnosis.id === id)?.values;
}

export function statusesOf(history: History): Readonly<Record<string, CriterionStatus>> {
  return Object.fromEntries(judge(history).criteria.map(({ id, status }) => [id, status]));
}

/** The criteria that did not pass, so that one can ask for none. */
export function notPassed(history: History): Readonly<Record<string, CriterionStatus>> {
  return Object.fromEntries(Object.entries(statusesOf(history)).filter(([, status]) => status !== 'passed'));
}

/** The values of the first finding with this code, of one criterion or of any. */
export function findingOf(history: History, code: FindingCode, criterion?: string): unknown {
  return judge(history)
    .criteria.filter(({ id }) => criterion === undefined || id === criterion)
    .flatMap(({ evidence }) => evidence)
    .find((finding) => finding.code === code);
}

/** Who made the last write, as `incarnation by means`, or `nobody`. */
export function lastWriter(run: RunBuilder): string {
  const history = run.history();
  const version = history.of('row:version').findLast(({ source }) => source !== 'read');
  if (version === undefined) throw new Error('nothing was written');
  const attribution = attributeWrites(history)(version);
  return attribution === null ? 'nobody' : `${attribution.incarnation} by ${attribution.by}`;
}
