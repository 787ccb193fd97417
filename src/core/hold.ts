/**
 * What the harness's own hold may have done to the run. The hold is a guest: where it got in the worker's way, what
 * follows is its doing and no fault of the worker.
 */
import { finding, type Finding } from './findings.ts';
import { isBefore, last, type History, type RowVersion } from './history.ts';

/** Errors by which PostgreSQL tells that a statement waited too long for a lock, or ran too long while waiting. */
const WAITED_TOO_LONG = /lock timeout|could not obtain lock|(?:statement|transaction) timeout|55P03|57014/i;

/** Why what the row shows may be the hold's doing; `undefined`: there was none, or it did no harm that can be seen. */
export function doubtOfHold(history: History, changes: readonly RowVersion[]): Finding | undefined {
  const broken = history.of('hold:broken')[0];
  if (broken !== undefined) return finding('hold-broken', { reason: broken.reason });
  const placed = history.of('hold:placed')[0];
  if (placed === undefined) return undefined;
  const hurt = changes.find(
    (version) => isBefore(placed, version) && WAITED_TOO_LONG.test(version.values?.error ?? ''),
  );
  return hurt?.values?.error == null
    ? undefined
    : finding('hold-hurt', { error: hurt.values.error.slice(0, 200) });
}

/**
 * Writes of workers that were gone already, which had waited for the hold and were let through by its release: the
 * first one of each backend that could not be ended. Under polling the backend is not seen, so it is the first change.
 * @returns their `seq`
 */
export function artefactsOfHold(history: History): ReadonlySet<number> {
  const artefacts = new Set<number>();
  const versions = history.of('row:version').filter((version) => version.source !== 'read');
  for (const version of versions) if (version.artefactOfHold === true) artefacts.add(version.seq);
  const released = last(history, 'hold:released');
  // The release is recorded a moment after it has let the writes through, the end of the worker before it.
  const gone = history.of('worker:gone')[0];
  if (released === undefined || gone === undefined) return artefacts;
  for (const backend of released.leftBackends) {
    const late = versions.find(
      (version) =>
        isBefore(gone, version) &&
        version.job === released.job &&
        (version.writer === undefined || version.writer.backendPid === backend),
    );
    if (late !== undefined) artefacts.add(late.seq);
  }
  return artefacts;
}
