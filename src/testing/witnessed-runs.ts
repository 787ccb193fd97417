/** Runs with a job beside the subject that has ended, and one that waits behind it. */
import { aRun, type RunBuilder, type RunOptions } from './history-builder.ts';

/** One witness has ended, the other waits behind the subject, and the subject is struck. */
export function struck(options: RunOptions = {}): RunBuilder {
  return aRun(options)
    .job('witness-ended')
    .picksUp(1)
    .completed()
    .job('subject')
    .submitted()
    .job('witness-waiting')
    .of('subject')
    .picksUp(1)
    .progress(20)
    .strike()
    .gone()
    .starts(2)
    .ready(2);
}

/** … and handed over, with the subject at its end. */
export function recovered(): RunBuilder {
  return struck().picksUp(2).completed();
}

/** The one that waited behind runs to its end. */
export function waits(run: RunBuilder): RunBuilder {
  return run.of('witness-waiting').picksUp(2).completed();
}
