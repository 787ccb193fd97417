/** Making a job: the files as multipart/form-data, and the id out of the answer. */
import { readFile } from 'node:fs/promises';
import type { HttpSettings } from '../../config/settings.ts';
import type { Submission, SubmitOutcome } from '../queue.ts';
import { describeShape, jsonOf, scalarText, valueAt, type Answer } from './answer.ts';
import { isFailure, type Client } from './client.ts';
import { notJson, refusal } from './refusals.ts';
import type { Session } from './session.ts';

/**
 * Nothing is sent twice. What the API did not clearly refuse may have made a job: that is uncertain, not failed.
 * @throws UserError where it definitely made none: it could not be reached, or said so (a status below 500)
 */
export async function submitFiles(
  client: Client,
  session: Session,
  { submit }: HttpSettings,
  submission: Submission,
): Promise<SubmitOutcome> {
  const form = new FormData();
  for (const [name, value] of Object.entries(submit.fields)) form.append(name, value);
  for (const { path, name } of submission.files ?? []) {
    form.append(submit.filesField, new Blob([await readFile(path)], { type: 'application/pdf' }), name);
  }
  const result = await session.send({ method: submit.method, path: submit.path, body: form });
  const uncertain = (problem: string, remedy?: string): SubmitOutcome => ({
    messageId: submission.messageId,
    certainty: 'uncertain',
    problem,
    ...(remedy === undefined ? {} : { remedy }),
  });
  if (isFailure(result)) {
    if (result.effect === 'never-sent') throw result.error;
    return uncertain(result.error.message, result.error.remedy);
  }
  if (result.status >= 500) {
    const error = refusal(client, result, session.hasToken);
    return uncertain(error.message, error.remedy);
  }
  if (result.status < 200 || result.status >= 300) throw refusal(client, result, session.hasToken);
  return readOutcome(client, submit, submission, result, uncertain);
}

function readOutcome(
  client: Client,
  submit: HttpSettings['submit'],
  submission: Submission,
  answer: Answer,
  uncertain: (problem: string, remedy?: string) => SubmitOutcome,
): SubmitOutcome {
  const json = jsonOf(answer);
  if (json === undefined) {
    const error = notJson(client, answer);
    return uncertain(error.message, error.remedy);
  }
  const job = scalarText(valueAt(json, submit.jobId));
  if (job === null) {
    return uncertain(
      `${answer.call} at ${client.broker.address}: the answer has no job id at ${submit.jobId}; it has ${describeShape(json)}`,
      'name the place of the id in queue.submit.jobId',
    );
  }
  const task = submit.taskId === null ? null : scalarText(valueAt(json, submit.taskId));
  return { messageId: task ?? job, certainty: 'certain', job };
}
