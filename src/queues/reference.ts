/**
 * Whether a message is about a job: whether its data carry the job's id where the message that we sent carries it.
 * The place counts, not the value alone: an id may be a small number that turns up in any data. A recovery may send it
 * in another shape, though (by keyword instead of by position, under another key): where the place is empty, an id that
 * cannot be mistaken counts wherever it is.
 */

/** Ids shorter than this are not looked for in data whose shape is unknown. A uuid has 36 characters. */
const UNMISTAKABLE_LENGTH = 16;

type Path = readonly string[];

/** The message sent for the job, if it is known. */
export interface Sent {
  readonly task: string;
  readonly payload: unknown;
}

/**
 * @param data the data of the message in question.
 * @param job the job's id as text.
 * @param payload the data of the message that was sent for the job; `undefined` if they are not known.
 */
export function refersTo(data: unknown, job: string, payload: unknown): boolean {
  if (payload === undefined) {
    return job.length >= UNMISTAKABLE_LENGTH && pathsTo(data, job).length > 0;
  }
  const places = pathsTo(payload, job).map((path) => valueAt(data, path));
  if (places.some((value) => isId(value, job))) return true;
  const otherShape = places.length > 0 && places.every((value) => value === undefined || value === null);
  return otherShape && job.length >= UNMISTAKABLE_LENGTH && pathsTo(data, job).length > 0;
}

/**
 * Whether data have some of the files where the message that was sent has all of them: a part that a bulk job fans out
 * into, or what is left of it for the next step.
 */
export function isPart(data: unknown, payload: unknown): boolean {
  return pathsToLists(payload).some((path) => {
    const all = valueAt(payload, path) as readonly unknown[];
    const some = valueAt(data, path);
    return (
      Array.isArray(some) &&
      some.length > 0 &&
      some.length < all.length &&
      some.every((item) => all.includes(item))
    );
  });
}

function pathsToLists(value: unknown): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [];
  const inner = Object.entries(value).flatMap(([key, each]) =>
    pathsToLists(each).map((path) => [key, ...path]),
  );
  const isList = Array.isArray(value) && value.length > 1 && value.every((item) => typeof item === 'string');
  return isList ? [[], ...inner] : inner;
}

function pathsTo(value: unknown, job: string): readonly Path[] {
  if (isId(value, job)) return [[]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => pathsTo(inner, job).map((path) => [key, ...path]));
}

function valueAt(value: unknown, path: Path): unknown {
  let current = value;
  for (const key of path) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = Object.entries(current).find(([name]) => name === key)?.[1];
  }
  return current;
}

function isId(value: unknown, job: string): boolean {
  return (typeof value === 'string' || typeof value === 'number') && String(value) === job;
}
