/** What the API shows of jobs: one by its id, and those that it lists. */
import type { HttpSettings } from '../../config/settings.ts';
import { environmentError } from '../../core/errors.ts';
import { describeShape, jsonOf, scalarText, valueAt, valuesAt, type Answer } from './answer.ts';
import { digestOf, type Client } from './client.ts';
import { notJson, refusal } from './refusals.ts';
import type { JsonValue } from 'jsonpath-rfc9535';
import type { JobList } from '../queue.ts';
import type { Session } from './session.ts';

export function withId(path: string, job: string): string {
  return path.replaceAll('{id}', encodeURIComponent(job));
}

/**
 * The values by role; a role at whose path nothing is found is left out. The digest is of these values alone: an
 * answer may carry things that change by themselves, such as the time that it took.
 * @returns `null`: the API knows no such job
 */
export async function readJob(
  client: Client,
  session: Session,
  status: NonNullable<HttpSettings['status']>,
  job: string,
): Promise<Readonly<Record<string, unknown>> | null> {
  const answer = await session.ask({ method: 'GET', path: withId(status.path, job) });
  if (answer.status === 404 || answer.status === 410) return null;
  const json = success(client, session, answer);
  const values: Record<string, unknown> = {};
  for (const [role, path] of Object.entries(status.values)) {
    const value = valueAt(json, path);
    if (value !== undefined) values[role] = value;
  }
  const missing = ['status' as const, ...status.namedValues].find((role) => !Object.hasOwn(values, role));
  if (missing !== undefined) {
    throw environmentError(
      'api-no-value',
      `${answer.call} at ${client.broker.address}: the answer has nothing at ${status.values[missing] ?? ''}; it has ${describeShape(json)}`,
      `name the place of the job's ${missing} in queue.status.${missing}`,
    );
  }
  return { ...values, digest: digestOf(values) };
}

/** The jobs that the API lists whose files' names contain one of the texts. */
export async function listJobs(
  client: Client,
  session: Session,
  list: NonNullable<HttpSettings['list']>,
  texts: readonly string[],
): Promise<JobList> {
  const json = success(client, session, await session.ask({ method: 'GET', path: list.path }));
  const listed = valuesAt(json, list.jobs);
  const jobs = listed.flatMap((job) => {
    const id = scalarText(valueAt(job, list.id));
    const files = valuesAt(job, list.files).flatMap((file) => scalarText(file) ?? []);
    const carried = files.filter((file) => texts.some((text) => file.includes(text))).sort();
    return id === null || carried.length === 0 ? [] : [{ id, files: carried }];
  });
  return { jobs, isPage: isPage(json, listed.length) };
}

const MORE = /^_?(?:next(?:_?(?:page|cursor|url|link|token))?|has_?(?:more|next))$/i;
const TOTAL = /^(?:total|count|total_?(?:count|items|results|elements))$/i;
const WITHIN = /^_?(?:meta|links|page|paging|pagination|cursors?)$/i;

/** Whether a list says, by the names that APIs have for it, that there are more jobs than it has. */
function isPage(json: JsonValue, listed: number): boolean {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) return false;
  return Object.entries(json).some(([key, value]) => {
    if (MORE.test(key)) return Boolean(value);
    if (TOTAL.test(key)) return typeof value === 'number' && value > listed;
    return WITHIN.test(key) && isPage(value, listed);
  });
}

function success(client: Client, session: Session, answer: Answer) {
  if (answer.status < 200 || answer.status >= 300) throw refusal(client, answer, session.hasToken);
  const json = jsonOf(answer);
  if (json === undefined) throw notJson(client, answer);
  return json;
}
