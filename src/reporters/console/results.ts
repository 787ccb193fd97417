/** The end of the console's text: the criteria with their evidence, the verdict, and for anything but a pass the cause and the remedy. */
import type { Report } from '../../core/report.ts';
import { SCENARIOS } from '../../core/scenario.ts';
import type { CriterionStatus, JudgedCriterion } from '../../core/verdict.ts';
import { describeDuration } from '../durations.ts';
import { describeDiagnosis, describeFinding } from '../wording.ts';
import { entry, LABEL_WIDTH, wrap, type Mark, type Palette } from './layout.ts';

export interface ResultsOptions {
  readonly palette: Palette;
  readonly width: number;
  /** The command that repeats the run, secrets left out. */
  readonly repeatCommand: string;
  /** Leaves the criteria out. */
  readonly verdictOnly?: boolean;
}

const MARK_OF: Readonly<Record<CriterionStatus, Mark>> = {
  passed: 'good',
  failed: 'bad',
  inconclusive: 'doubt',
  skipped: 'skip',
};

const TITLE_WIDTH = 38;

export function renderResults(report: Report, options: ResultsOptions): string {
  const verdict = verdictLines(report, options);
  if (options.verdictOnly === true) return `${verdict.join('\n')}\n`;
  const lines = report.verdict === 'error' ? [] : criteriaLines(report, options);
  return `${[...lines, '', ...verdict].join('\n')}\n`;
}

function criteriaLines(report: Report, { palette, width }: ResultsOptions): readonly string[] {
  const lines: string[] = [];
  for (const criterion of report.criteria) {
    const evidence = criterion.evidence.map(describeFinding);
    const title = `${criterion.title}${criterion.level === 'advisory' ? ' (advisory)' : ''}`;
    const beside = `${title.padEnd(TITLE_WIDTH)} ${evidence.join(', ')}`;
    const fits = evidence.length > 0 && LABEL_WIDTH + 2 + beside.length <= width;
    const text = fits ? [beside] : [title, ...evidence.map((sentence) => `  ${sentence}`)];
    const label = lines.length === 0 ? ' 7 Results' : '';
    const [head = '', ...rest] = text;
    lines.push(
      `${label.padEnd(LABEL_WIDTH)}${entry(MARK_OF[criterion.status], head, palette, width).join('\n')}`,
    );
    for (const sentence of rest) {
      for (const line of wrap(sentence.trim(), width - LABEL_WIDTH - 4)) {
        lines.push(`${' '.repeat(LABEL_WIDTH + 4)}${palette.faint(line)}`);
      }
    }
  }
  return lines;
}

function verdictLines(report: Report, options: ResultsOptions): readonly string[] {
  const { palette } = options;
  switch (report.verdict) {
    case 'passed':
      return passedLines(report, options);
    case 'failed':
      return [
        ` ${palette.bad(palette.strong('NOT VERIFIED'))}  ${headline(report, 'failed')}`,
        ...causeLines(report, options, 'failed'),
      ];
    case 'inconclusive':
      return [
        ` ${palette.doubt(palette.strong('INCONCLUSIVE'))}  the run proves nothing: ${headline(report, 'inconclusive')}`,
        ...causeLines(report, options, 'inconclusive'),
      ];
    case 'error':
      return [` ${palette.bad(palette.strong('NO VERDICT'))}  ${report.aborted?.text ?? ''}`];
  }
}

function passedLines(report: Report, { palette, width }: ResultsOptions): readonly string[] {
  const said =
    report.outcome === 'drained'
      ? 'the old worker finished the job before it left (a drain)'
      : 'the job survived the restart of its worker';
  const recovery = report.timings.recoveryMs;
  const times = `${describeDuration(report.timings.totalMs)}${recovery === null ? '' : `, of which recovery ${describeDuration(recovery)}`}`;
  const others = Object.keys(SCENARIOS).filter((name) => name !== report.scenario);
  const redelivery = report.outcome === 'drained' ? ['redelivery after a crash'] : [];
  const lines = wrap(
    `not exercised: ${[...redelivery, ...others.map((name) => `--scenario ${name}`)].join(', ')}`,
    width - 11,
  );
  return [
    ` ${palette.good(palette.strong('VERIFIED'))}  ${said}`,
    `           ${times}`,
    ...lines.map((line) => `           ${palette.faint(line)}`),
  ];
}

function decisive(report: Report, status: CriterionStatus): readonly JudgedCriterion[] {
  return report.criteria.filter((criterion) => criterion.level === 'required' && criterion.status === status);
}

/** In one line: which criterion decided. */
function headline(report: Report, status: 'failed' | 'inconclusive'): string {
  const deciding = decisive(report, status);
  const vacuous = deciding.find((criterion) => criterion.id === 'restart-observed');
  const shown = vacuous ?? deciding[0];
  return shown === undefined ? 'nothing was judged' : `${shown.id} ${status}`;
}

function causeLines(
  report: Report,
  { palette, width, repeatCommand }: ResultsOptions,
  status: 'failed' | 'inconclusive',
): readonly string[] {
  const lines: string[] = [];
  const put = (label: string, text: string): void => {
    const [head = '', ...rest] = wrap(text, width - 11);
    lines.push(` ${label.padEnd(10)}${head}`, ...rest.map((line) => `           ${line}`));
  };
  for (const criterion of decisive(report, status)) {
    put(
      criterion === decisive(report, status)[0] ? 'because' : '',
      `${criterion.id}: ${criterion.evidence.map(describeFinding).join('; ')}`,
    );
  }
  for (const { id, values } of report.diagnoses) {
    const words = describeDiagnosis(id, values);
    put('cause', `${words.title} (${id})`);
    for (const evidence of words.evidence) put('', evidence);
    put('remedy', words.fix);
    put('', palette.faint(words.docs));
  }
  put('journal', report.journal);
  put('repeat', repeatCommand);
  return lines;
}
