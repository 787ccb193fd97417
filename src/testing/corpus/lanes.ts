/** Runs rows side by side: as many at a time as there are lanes, each the next that nobody has taken. */
export async function inLanes<Row, Result>(
  rows: readonly Row[],
  lanes: number,
  run: (row: Row) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (;;) {
      const index = next;
      const row = rows[index];
      if (row === undefined) return;
      next += 1;
      results[index] = await run(row);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
}
