/**
 * How many histories a property of the judge is tried with: enough to find what there is, few enough for everybody's
 * test run. `PROPERTY_RUNS=2000 npx vitest run src/core/report.property.test.ts` tries harder.
 */
export const PROPERTY_RUNS = { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 200) };

/** The tests are run for a mutant: what only takes long to ask of a sound judge once more is left out. */
export const FOR_MUTANTS = process.env['FOR_MUTANTS'] === '1';
