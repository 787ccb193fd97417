/** The JSON report, version 1: the public form that scripts hold on to. */
import type { Report } from '../core/report.ts';
import { describeDiagnosis, describeFinding } from './wording.ts';

export const SCHEMA_VERSION = 1;

/** @param exitCode what the process will exit with */
export function renderJson(report: Report, exitCode: number): string {
  const { criteria, diagnoses, aborted, runId, toolVersion, job, ...rest } = report;
  const { finalState: _state, ...publicJob } = job;
  const value = {
    schemaVersion: SCHEMA_VERSION,
    tool: { name: 'verify-restart', version: toolVersion },
    runId,
    verdict: report.verdict,
    exitCode,
    ...(aborted === null ? {} : { error: aborted }),
    scenario: rest.scenario,
    strikeAt: rest.strikeAt,
    outcome: rest.outcome,
    target: rest.target,
    job: publicJob,
    timings: rest.timings,
    criteria: criteria.map(({ id, title, status, level, evidence }) => ({
      id,
      title,
      status,
      level,
      evidence: evidence.map(describeFinding),
    })),
    diagnosis: diagnoses.map(({ id, values }) => ({ id, ...describeDiagnosis(id, values) })),
    workers: rest.workers,
    journal: rest.journal,
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}
