/** `verify-restart report`: judges saved runs again. The same journal gives the same verdict, with no service up. */
import { usageError } from '../../core/errors.ts';
import { createHistory } from '../../core/history.ts';
import { judge, type Report } from '../../core/report.ts';
import { readJournal } from '../../journal/journal.ts';
import { PLAIN } from '../../reporters/console/layout.ts';
import { titleLines } from '../../reporters/console/progress.ts';
import { renderResults } from '../../reporters/console/results.ts';
import { renderJson } from '../../reporters/json.ts';
import { EXIT_CODES, type ExitCode } from '../exit-codes.ts';
import { findJournal } from '../find-run.ts';

const CODE_OF = {
  passed: EXIT_CODES.verified,
  failed: EXIT_CODES.notVerified,
  inconclusive: EXIT_CODES.inconclusive,
  error: EXIT_CODES.environment,
} as const;

export async function reportRuns(runs: readonly string[], reporter: string): Promise<ExitCode> {
  if (reporter !== 'console' && reporter !== 'json') {
    throw usageError('unknown-reporter', `--reporter ${reporter} is not known`, 'name console or json');
  }
  const reports: Report[] = [];
  for (const run of runs) {
    const journal = await findJournal(run, process.cwd());
    reports.push(judge(createHistory(await readJournal(journal))));
  }
  const codes = reports.map((report) => CODE_OF[report.verdict]);
  const exitCode =
    [EXIT_CODES.environment, EXIT_CODES.notVerified, EXIT_CODES.inconclusive].find((code) =>
      codes.includes(code),
    ) ?? EXIT_CODES.verified;
  if (reporter === 'json') {
    process.stdout.write(renderJson(reports, exitCode));
    return exitCode;
  }
  for (const [index, report] of reports.entries()) {
    if (index > 0) process.stdout.write('\n');
    const options = { palette: PLAIN, width: 80 };
    const title = titleLines(report.scenario, report.target, options);
    process.stdout.write(`${title.join('\n')}\n${report.runId}\n\n${renderResults(report, options)}`);
  }
  return exitCode;
}
