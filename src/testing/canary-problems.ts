/** What the run of the canary has to have said; anything else voids whatever is tested after it. */
import type { KnownCriterionId } from '../core/criterion-ids.ts';

const MUST_FAIL: readonly KnownCriterionId[] = ['picked-up-again', 'reached-terminal'];
/** Without a restart that was seen, no failure means anything. */
const MUST_PASS: readonly KnownCriterionId[] = ['job-persisted', 'restart-observed'];

interface Judged {
  readonly verdict?: unknown;
  readonly criteria?: readonly { readonly id: string; readonly status: string }[];
}

/**
 * @param stdout the report as JSON
 * @returns why the canary was not found out, as sentences; empty: it was
 */
export function canaryProblems(exitCode: number | null, stdout: string): readonly string[] {
  const report = parse(stdout);
  if (report === null) return [`exit code ${exitCode}, and no report`];
  const problems: string[] = [];
  if (exitCode !== 1) problems.push(`exit code ${exitCode} instead of 1`);
  if (report.verdict !== 'failed') problems.push(`verdict ${String(report.verdict)} instead of failed`);
  const statuses = new Map(report.criteria?.map(({ id, status }) => [id, status]));
  const expected = [
    ...MUST_FAIL.map((id) => [id, 'failed'] as const),
    ...MUST_PASS.map((id) => [id, 'passed'] as const),
  ];
  for (const [id, status] of expected) {
    const got = statuses.get(id) ?? 'not judged';
    if (got !== status) problems.push(`${id} is ${got} instead of ${status}`);
  }
  return problems;
}

function parse(text: string): Judged | null {
  try {
    return JSON.parse(text) as Judged;
  } catch {
    return null;
  }
}
