/** Whether a row got the same judgement each time that it was run. */
import type { RowResult } from './run-row.ts';

/** A line for each cell whose runs differ: what was said how often. */
export function differences(results: readonly RowResult[]): readonly string[] {
  const cells = new Map<string, string[]>();
  for (const { row, observed, report, failed, diagnoses } of results) {
    const cell = `${row.target} ${row.name} (${observed})`;
    // The nearest cause: which others follow from it is a matter of what was written first.
    const said = `${report.verdict} [${failed.join(' ')}] {${diagnoses[0] ?? ''}}`;
    cells.set(cell, [...(cells.get(cell) ?? []), said]);
  }
  return [...cells].flatMap(([cell, said]) => {
    const kinds = [...new Set(said)];
    if (kinds.length === 1) return [];
    const counts = kinds.map((kind) => `${said.filter((each) => each === kind).length} × ${kind}`);
    return [`${cell}: ${counts.join('; ')}`];
  });
}
