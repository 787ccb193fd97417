/**
 * Mutants of the judge: each criterion and diagnosis with one thing wrong, which the tests of `vitest.mutants.config.ts`
 * must find out. `npm run mutants` takes the better part of an hour; `npm run mutants -- --mutate <file>` a minute or two.
 */
const judge = [
  'src/core/{criteria,diagnosis}/*.ts',
  'src/core/{after-kill,attribution,claims,database-clock,deliveries,effects,history,hold,newcomer,progress-scale,redelivery,report,restart,take-over,verdict,work-time}.ts',
];

export default {
  testRunner: 'vitest',
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'vitest.mutants.config.ts', related: false },
  mutate: [...judge, '!src/core/**/*.test.ts'],
  mutator: {
    // Names and titles are no judgement, nor is a `?.` that only the types ask for. A block that is emptied falls with the
    // condition before it, an `and` that becomes an `or` with its halves.
    excludedMutations: [
      'StringLiteral',
      'OptionalChaining',
      'BlockStatement',
      'ObjectLiteral',
      'LogicalOperator',
    ],
  },
  concurrency: 2,
  // It would be rewritten with the programming interface of TypeScript, which TypeScript 7 does not have; nothing here
  // needs that.
  tsconfigFile: 'none',
  coverageAnalysis: 'perTest',
  clearTextReporter: { logTests: false, allowColor: false },
  reporters: ['clear-text', 'json', 'progress-append-only'],
  jsonReporter: { fileName: '.stryker/mutants.json' },
  tempDirName: '.stryker/sandbox',
  ignorePatterns: ['dist', 'docs', '.verify-restart'],
  // A busy machine is no mutant that was found.
  timeoutMS: 30_000,
  // What was reached; docs/judging.md says what is left.
  thresholds: { high: 95, low: 85, break: 75 },
};
