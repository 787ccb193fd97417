/** Keeps the docs honest: what they link to exists, and what the code has is described, by name, where one looks. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { EXIT_CODES } from './cli/exit-codes.ts';
import { addRunOptions } from './cli/options.ts';
import { configSchema } from './config/schema.ts';
import { COLUMN_ROLES } from './config/settings.ts';
import { CRITERIA } from './core/criteria/index.ts';
import { CRITERION_IDS } from './core/criterion-ids.ts';
import { DIAGNOSES } from './core/diagnosis/index.ts';
import { SCENARIOS } from './core/scenario.ts';
import { SCENARIO_NAMES } from './core/scenario-names.ts';

const ROOT = join(import.meta.dirname, '..');
const PAGES = [
  'README.md',
  'CHANGELOG.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

function read(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

/** Code is no prose: what looks like a link or a heading in it is none. */
function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^```[^]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '`code`');
}

/** The anchors that GitHub gives to the headings of a page. */
function anchorsOf(markdown: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of markdown.replaceAll(/^```[^]*?^```$/gm, '').matchAll(/^#{1,6} (.+)$/gm)) {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let count = 1; anchors.has(anchor); count += 1) anchor = `${slug}-${count}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The text below a heading, up to the next one of its level or above. */
function sectionOf(page: string, heading: string): string {
  const lines = read(page).split('\n');
  const start = lines.indexOf(heading);
  expect(start, `${page} has the heading "${heading}"`).toBeGreaterThan(-1);
  const level = heading.indexOf(' ');
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => new RegExp(`^#{1,${level}} `).test(line));
  return rest.slice(0, end === -1 ? undefined : end).join('\n');
}

/** The first column of the rows of tables, quotes of code taken off. */
function firstColumn(markdown: string): readonly string[] {
  const rows = [...markdown.matchAll(/^\| *(.+?) *\|/gm)].map(([, cell = '']) => cell);
  return rows.filter((cell) => /^`.+`$|^\d+$/.test(cell)).map((cell) => cell.replaceAll('`', ''));
}

describe.each(PAGES)('%s', (page) => {
  const links = [...withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target));

  test.skipIf(links.length === 0)('links to files and headings that exist', () => {
    const broken = links.filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? join(ROOT, page) : resolve(ROOT, dirname(page), path);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchorsOf(read(relative(ROOT, target))).has(anchor);
    });
    expect(broken).toEqual([]);
  });
});

test('every link counts: one to a heading that is not there is found', () => {
  expect(anchorsOf('# One\n\n## `run`: two, three\n\n```\n# none\n```\n')).toEqual(
    new Set(['one', 'run-two-three']),
  );
});

test('docs/configuration.md has every option of run', () => {
  const command = new Command();
  addRunOptions(command);
  const text = read('docs/configuration.md');
  const flags = command.options.flatMap(({ long, short }) => [long, short]).filter((flag) => flag != null);
  expect(flags.length).toBeGreaterThan(20);
  expect(flags.filter((flag) => !new RegExp(`\`${flag}[\` ]`).test(text))).toEqual([]);
});

test('docs/configuration.md has every key of the config file', () => {
  const section = sectionOf('docs/configuration.md', '## The config file');
  const keys = Object.keys(configSchema.shape);
  expect(keys.filter((key) => !new RegExp(`\\b${key}\\b`).test(section))).toEqual([]);
});

test('docs/schema.md has every role of a column', () => {
  const text = read('docs/schema.md');
  expect(COLUMN_ROLES.filter((role) => !text.includes(`\`${role}\``))).toEqual([]);
});

test('README.md has every exit code, and no other', () => {
  const codes = firstColumn(sectionOf('README.md', '## Exit codes')).map(Number);
  expect(codes).toEqual(Object.values(EXIT_CODES));
});

test('docs/configuration.md has the criteria that are judged, and no other', () => {
  const section = sectionOf('docs/configuration.md', '## Criteria');
  expect(firstColumn(section).toSorted()).toEqual(Object.keys(CRITERIA).toSorted());
  expect(CRITERION_IDS.filter((id) => !section.includes(`\`${id}\``))).toEqual([]);
});

test('docs/configuration.md has the scenarios that can be run, and names those that cannot', () => {
  const section = sectionOf('docs/configuration.md', '## Scenarios').split('\n### ')[0] ?? '';
  expect(firstColumn(section).toSorted()).toEqual(Object.keys(SCENARIOS).toSorted());
  expect(SCENARIO_NAMES.filter((name) => !section.includes(`\`${name}\``))).toEqual([]);
});

test('docs/troubleshooting.md speaks of criteria, diagnoses and scenarios that exist', () => {
  const known = new Set([...Object.keys(CRITERIA), ...Object.keys(DIAGNOSES), ...Object.keys(SCENARIOS)]);
  const named = [...read('docs/troubleshooting.md').matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map(
    ([, id = '']) => id,
  );
  expect(named.length).toBeGreaterThan(20);
  expect([...new Set(named)].filter((id) => !known.has(id))).toEqual([]);
});

test('docs/judging.md names tests that there are', () => {
  const section = sectionOf('docs/judging.md', '## What has fooled verifiers before');
  const rows = [...section.matchAll(/^\| (.+) \| \[.+\]\(\.\.\/(.+)\) \| `(.+)` \|$/gm)];
  expect(rows.length).toBe(section.split('\n').filter((line) => /^\| [^|]*[a-z]/.test(line)).length - 1);
  expect(rows.length).toBeGreaterThan(15);
  const missing = rows.filter(([, , file = '', title = '']) => !read(file).includes(`'${title}'`));
  expect(missing.map(([row]) => row)).toEqual([]);
});

test('docs/report.md has every kind of event', () => {
  const source = readFileSync(join(ROOT, 'src/core/event.ts'), 'utf8');
  const union = source.slice(source.indexOf('export type EventBody'), source.indexOf('export type Step '));
  const kinds = [...union.matchAll(/kind: '([a-z:-]+)'/g)].map(([, kind = '']) => kind);
  expect(kinds.length).toBeGreaterThan(30);
  const text = read('docs/report.md');
  expect(kinds.filter((kind) => !text.includes(`\`${kind}\``))).toEqual([]);
});

test('docs/architecture.md gives a reason for every dependency', () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
    'dependencies' | 'optionalDependencies' | 'devDependencies',
    Record<string, string>
  >;
  const names = Object.keys({
    ...manifest.dependencies,
    ...manifest.optionalDependencies,
    ...manifest.devDependencies,
  }).filter((name) => !name.startsWith('@types/'));
  const section = sectionOf('docs/architecture.md', '## Dependencies');
  expect(names.filter((name) => !section.includes(`\`${name}\``))).toEqual([]);
});
