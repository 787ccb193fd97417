/** The token of an API: a given one, or one that a login gives, asked for once and again when it has expired. */
import type { HttpSettings } from '../../config/settings.ts';
import { environmentError } from '../../core/errors.ts';
import { describeShape, jsonOf, scalarText, valueAt, type Answer } from './answer.ts';
import { isFailure, type Call, type Client, type Failure } from './client.ts';
import { notJson, refusal } from './refusals.ts';

export interface Session {
  /** Whether calls carry a token. */
  readonly hasToken: boolean;
  /** Sends a call with the token. A token of a login that has expired is replaced once. */
  send(call: Call): Promise<Answer | Failure>;
  /** @throws UserError where there is no answer */
  ask(call: Call): Promise<Answer>;
}

export function openSession(client: Client, settings: HttpSettings): Session {
  const { login } = settings;
  let token: Promise<string | null> | null = settings.token === null ? null : Promise.resolve(settings.token);
  const current = (): Promise<string | null> => {
    token ??= login === null ? Promise.resolve(null) : logIn(client, login);
    return token;
  };
  const sendOnce = async (call: Call): Promise<Answer | Failure> => {
    const known = await current().catch((error: unknown) => {
      // The next call tries again.
      token = null;
      throw error;
    });
    return client.send(call, known === null ? null : `Bearer ${known}`);
  };
  const send = async (call: Call): Promise<Answer | Failure> => {
    const result = await sendOnce(call);
    // A call that was answered by 401 had no effect: it may be sent again, a POST too.
    if (isFailure(result) || result.status !== 401 || login === null || settings.token !== null)
      return result;
    token = null;
    return sendOnce(call);
  };
  return {
    hasToken: settings.token !== null || login !== null,
    send,
    async ask(call) {
      const result = await send(call);
      if (isFailure(result)) throw result.error;
      return result;
    },
  };
}

async function logIn(client: Client, login: NonNullable<HttpSettings['login']>): Promise<string> {
  const form = login.encoding === 'form';
  const body = form
    ? new URLSearchParams(
        Object.entries(login.body).map(([name, value]): [string, string] => [name, String(value)]),
      ).toString()
    : JSON.stringify(login.body);
  const answer = await client.send(
    {
      method: 'POST',
      path: login.path,
      body,
      contentType: form ? 'application/x-www-form-urlencoded' : 'application/json',
      anonymous: true,
    },
    null,
  );
  if (isFailure(answer)) throw answer.error;
  if (answer.status === 400 || answer.status === 401 || answer.status === 403 || answer.status === 422) {
    throw environmentError(
      'broker-auth',
      `${answer.call} at ${client.broker.address}: the login was refused (${answer.status})`,
      `correct queue.login.body in the config file${form ? '' : "; a service that wants a form (OAuth's password grant) needs queue.login.encoding: 'form'"}`,
    );
  }
  if (answer.status < 200 || answer.status >= 300) throw refusal(client, answer, false);
  const json = jsonOf(answer);
  if (json === undefined) throw notJson(client, answer);
  const token = scalarText(valueAt(json, login.token));
  if (token === null) {
    throw environmentError(
      'api-no-token',
      `${answer.call} at ${client.broker.address}: the answer has no token at ${login.token}; it has ${describeShape(json)}`,
      'name the place of the token in queue.login.token',
    );
  }
  client.addSecret(token);
  return token;
}
