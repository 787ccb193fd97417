/** The JSON report, version 1: the public form that scripts hold on to. */
import type { Repeated } from '../core/repeat.ts';
import type { Report } from '../core/report.ts';
import { describeDiagnosis } from './diagnosis-words.ts';
import { describeFinding } from './finding-words.ts';
import { runWords } from './run-words.ts';

export const SCHEMA_VERSION = 1;

/**
 * One report as one object; several (`--scenario all`, `--repeat`, shards) as `{ …, runs: […] }`.
 * @param exitCode what the process will exit with
 * @param repeat what the runs tell together, where each scenario was run more than once
 */
export function renderJson(reports: readonly Report[], exitCode: number, repeat?: Repeated): string {
  const [only, ...others] = reports;
  const value =
    only !== undefined && others.length === 0
      ? publicReport(only, exitCode)
      : {
          schemaVersion: SCHEMA_VERSION,
          tool: { name: 'verify-restart', version: only?.toolVersion ?? '' },
          exitCode,
          ...(repeat === undefined ? {} : { repeat }),
          runs: reports.map((report) => publicReport(report, exitCode)),
        };
  return `${JSON.stringify(value, null, 2)}\n`;
}

function publicReport(report: Report, exitCode: number) {
  const { criteria, diagnoses, aborted, job } = report;
  const { finalState: _state, ...publicJob } = job;
  const words = runWords(report);
  return {
    schemaVersion: SCHEMA_VERSION,
    tool: { name: 'verify-restart', version: report.toolVersion },
    runId: report.runId,
    verdict: report.verdict,
    exitCode,
    ...(aborted === null ? {} : { error: aborted }),
    scenario: report.scenario,
    strikeAt: report.strikeAt,
    outcome: report.outcome,
    target: report.target,
    job: publicJob,
    timings: report.timings,
    criteria: criteria.map(({ id, title, status, level, evidence }) => ({
      id,
      title,
      status,
      level,
      evidence: evidence.map((finding) => describeFinding(finding, words)),
    })),
    diagnosis: diagnoses.map(({ id, values }) => ({ id, ...describeDiagnosis(id, values, words) })),
    workers: report.workers,
    journal: report.journal,
  };
}
