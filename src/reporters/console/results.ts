/**
 * The end of the console's text: the criteria, the verdict, and for anything but a pass the cause and the remedy. A
 * criterion takes a line, as far as it fits; what decided the verdict is told whole under it.
 */
import type { Finding } from '../../core/findings.ts';
import type { Report } from '../../core/report.ts';
import { SCENARIOS } from '../../core/scenario.ts';
import type { CriterionStatus, JudgedCriterion } from '../../core/verdict.ts';
import { describeDiagnosis } from '../diagnosis-words.ts';
import { describeDuration } from '../durations.ts';
import { describeBriefly, describeFinding } from '../finding-words.ts';
import { runWords, type RunWords } from '../run-words.ts';
import { LABEL_WIDTH, markOf, wrap, wrapHard, type Mark, type Palette } from './layout.ts';

export interface ResultsOptions {
  readonly palette: Palette;
  readonly width: number;
  /** Several scenarios or runs are told one after the other: the verdict's line names which it was. */
  readonly label?: string;
  /** Scenarios that were run besides this one. */
  readonly alsoExercised?: readonly string[];
  /** Leaves the criteria out, and of a pass all but the verdict itself. */
  readonly verdictOnly?: boolean;
  /** Tells all the evidence of what passed, too. */
  readonly verbose?: boolean;
}

const MARK_OF: Readonly<Record<CriterionStatus, Mark>> = {
  passed: 'good',
  failed: 'bad',
  inconclusive: 'doubt',
  skipped: 'skip',
};

/** The titles of the criteria are no longer than this, so that their evidence stands in a column of its own. */
const TITLE_WIDTH = 26;
/** Below this the evidence stands under the title. */
const NARROWEST_EVIDENCE = 24;

export function renderResults(report: Report, options: ResultsOptions): string {
  const verdict = verdictLines(report, options);
  if (options.verdictOnly === true) return `${verdict.join('\n')}\n`;
  const lines = report.verdict === 'error' ? [] : criteriaLines(report, options);
  return `${[...lines, ...(lines.length === 0 ? [] : ['']), ...verdict].join('\n')}\n`;
}

function criteriaLines(report: Report, options: ResultsOptions): readonly string[] {
  const words = runWords(report);
  return report.criteria.flatMap((criterion, index) => {
    const label = (index === 0 ? ' 7 Results' : '').padEnd(LABEL_WIDTH);
    const [head = '', ...rest] = criterionLines(criterion, options, words);
    return [`${label}${head}`, ...rest.map((line) => `${' '.repeat(LABEL_WIDTH + 2)}${line}`)];
  });
}

/** The title with its mark, the evidence beside it or, where that is too narrow, under it. */
function criterionLines(
  criterion: JudgedCriterion,
  options: ResultsOptions,
  words: RunWords,
): readonly string[] {
  const { palette, width } = options;
  const mark = markOf(MARK_OF[criterion.status], palette);
  const title = `${criterion.title}${criterion.level === 'advisory' ? ' (advisory)' : ''}`;
  const column = Math.max(TITLE_WIDTH, title.length) + 2;
  const room = width - LABEL_WIDTH - 2;
  const beside = room - column >= NARROWEST_EVIDENCE;
  const lines = evidenceOf(criterion, options, words).flatMap((text) =>
    wrapHard(text, beside ? room - column : room - 2),
  );
  const style = criterion.status === 'failed' ? palette.bad : palette.faint;
  if (!beside) return [`${mark} ${title}`, ...lines.map((line) => `  ${style(line)}`)];
  const [head = '', ...rest] = lines;
  return [
    `${mark} ${title.padEnd(column)}${style(head)}`.trimEnd(),
    ...rest.map((line) => `${' '.repeat(column)}${style(line)}`),
  ];
}

/** One sentence an entry; of what passed only what is worth telling, of doubts and failures the first. */
function evidenceOf(
  { evidence, status }: JudgedCriterion,
  options: ResultsOptions,
  words: RunWords,
): readonly string[] {
  const whole = (finding: Finding): string => describeFinding(finding, words);
  if (options.verbose === true) return evidence.map(whole);
  const told = status === 'passed' || status === 'skipped';
  if (!told) return evidence.slice(0, 1).map(whole);
  const brief = evidence.map((finding) => describeBriefly(finding, words)).filter((text) => text !== null);
  return brief.length === 0 ? [] : [brief.join(', ')];
}

function verdictLines(report: Report, options: ResultsOptions): readonly string[] {
  const { palette, width } = options;
  switch (report.verdict) {
    case 'passed':
      return passedLines(report, options);
    case 'failed':
      return [
        ...headLines(palette.bad, 'NOT VERIFIED', FAILED_AS[report.outcome], options),
        ...causeLines(report, options, 'failed'),
      ];
    case 'inconclusive':
      return [
        ...headLines(
          palette.doubt,
          'INCONCLUSIVE',
          report.outcome === 'vacuous'
            ? 'the run proves nothing'
            : 'the restart was seen, too little of what followed',
          options,
        ),
        ...causeLines(report, options, 'inconclusive'),
      ];
    case 'error': {
      const [head = '', ...rest] = wrap(report.aborted?.text ?? '', width - 13);
      return [
        ` ${palette.bad(palette.strong('NO VERDICT'))}  ${head}`,
        ...rest.map((line) => `             ${line}`),
      ];
    }
  }
}

/** What became of the job, in a failure's first line. */
const FAILED_AS: Readonly<Record<Report['outcome'], string>> = {
  'handed-over': 'the job went on after the restart, but not as it should',
  drained: 'the old worker finished the job, but not as it should',
  lost: 'the job was lost in the restart of its worker',
  stuck: 'the job was picked up after the restart and never ended',
  vacuous: 'the job came to harm, though no restart in flight was seen',
};

function headLines(
  colour: (text: string) => string,
  verdict: string,
  said: string,
  { palette, width, label }: ResultsOptions,
): readonly string[] {
  const indent = ' '.repeat(verdict.length + 3);
  const text = label === undefined ? said : `${label}: ${said}`;
  const [head = '', ...rest] = wrap(text, width - indent.length);
  return [` ${colour(palette.strong(verdict))}  ${head}`, ...rest.map((line) => `${indent}${line}`)];
}

function passedLines(report: Report, options: ResultsOptions): readonly string[] {
  const { palette, width } = options;
  const said =
    report.outcome === 'drained'
      ? 'the old worker finished the job before it left (a drain)'
      : 'the job survived the restart of its worker';
  const { recoveryMs, totalMs } = report.timings;
  const times = `${describeDuration(totalMs)}${recoveryMs === null ? '' : `, of which recovery ${describeDuration(recoveryMs)}`}`;
  const indent = ' '.repeat(11);
  const exercised = [report.scenario, ...(options.alsoExercised ?? [])];
  const others = Object.keys(SCENARIOS).filter((name) => !exercised.includes(name));
  const missing = [
    ...(report.outcome === 'drained' ? ['the redelivery of an unfinished job'] : []),
    ...others,
  ];
  const head = headLines(palette.good, 'VERIFIED', said, options);
  if (options.verdictOnly === true) return head;
  return [
    ...head,
    `${indent}${times}`,
    ...[...notJudged(report), ...notExercised(missing, others)].flatMap((text) =>
      wrap(text, width - indent.length).map((line) => `${indent}${palette.faint(line)}`),
    ),
  ];
}

/** What the verdict does not speak of, because the rows were only looked at now and then. */
function notJudged({ criteria }: Report): readonly string[] {
  const unseen = criteria.filter(({ evidence }) => evidence.some(({ code }) => code === 'unseen-by-polling'));
  return unseen.length === 0
    ? []
    : [`not judged under polling: ${unseen.map(({ title }) => title).join(', ')}`];
}

function notExercised(missing: readonly string[], others: readonly string[]): readonly string[] {
  if (missing.length === 0) return [];
  return [`not exercised: ${missing.join(', ')}${others.length === 0 ? '' : ' (--scenario all)'}`];
}

/** The criteria that made the verdict; of an inconclusive run the restart first, since the others follow from it. */
function decisive(report: Report, status: CriterionStatus): readonly JudgedCriterion[] {
  const deciding = report.criteria.filter(
    (criterion) => criterion.level === 'required' && criterion.status === status,
  );
  const restart = deciding.filter(({ id }) => id === 'restart-observed');
  return status === 'inconclusive' && restart.length > 0 ? restart : deciding;
}

function causeLines(
  report: Report,
  { palette, width }: ResultsOptions,
  status: 'failed' | 'inconclusive',
): readonly string[] {
  const lines: string[] = [];
  const words = runWords(report);
  const put = (label: string, text: string, style = (plain: string): string => plain): void => {
    const [head = '', ...rest] = wrap(text, width - 11);
    lines.push(` ${label.padEnd(10)}${style(head)}`, ...rest.map((line) => `           ${style(line)}`));
  };
  for (const [index, criterion] of decisive(report, status).entries()) {
    put(
      index === 0 ? 'because' : '',
      `${criterion.id}: ${criterion.evidence.map((finding) => describeFinding(finding, words)).join('; ')}`,
    );
  }
  for (const { id, values } of report.diagnoses) {
    const { title, evidence, fix, docs } = describeDiagnosis(id, values, words);
    lines.push('');
    put('cause', title, palette.strong);
    for (const text of evidence) put('', text);
    put('remedy', fix);
    put('', docs, palette.faint);
  }
  lines.push('');
  put('journal', report.journal);
  // In one line, however long: it is to be copied.
  if (report.command !== null) lines.push(` ${'repeat'.padEnd(10)}${report.command}`);
  return lines;
}
