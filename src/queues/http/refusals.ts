/** Answers that are none: what each status means for the user, and what to do about it. */
import { environmentError, type UserError } from '../../core/errors.ts';
import { detailOf, titleOf, type Answer } from './answer.ts';
import type { Client } from './client.ts';

/** The error for an answer that is not a success. Every text of the server is redacted and cut. */
export function refusal(client: Client, answer: Answer, hasToken: boolean): UserError {
  const { call, status } = answer;
  const address = client.broker.address;
  const detail = client.redact(detailOf(answer));
  const said = detail === '' ? '' : `: ${detail}`;
  const fail = (code: string, text: string, remedy: string): UserError =>
    environmentError(code, `${call} at ${address}: ${text}`, remedy);
  if (status >= 300 && status < 400) return redirected(fail, client, answer);
  switch (status) {
    case 401:
      return fail(
        'broker-auth',
        hasToken ? `the API rejects the token (401)${said}` : `the API wants a token (401)${said}`,
        'set VERIFY_RESTART_TOKEN, queue.token or queue.login in the config file to what the service accepts now',
      );
    case 403:
      return fail(
        'api-forbidden',
        `the token is accepted but may not do this (403)${said}`,
        'use the token of a user who may submit jobs and see them',
      );
    case 404:
    case 405:
      return fail(
        'api-not-found',
        `the API has no such call (${status})${said}`,
        'compare queue.url and the paths in the config file with the API, e.g. with its /docs or /openapi.json',
      );
    case 413:
      return fail(
        'api-too-large',
        `the upload is too large for the API (413)${said}`,
        'send fewer files (--files 2), or raise the limit of the service or of the proxy before it (nginx: client_max_body_size)',
      );
    case 400:
    case 415:
    case 422:
      return fail(
        'api-rejected',
        `the API rejects the request (${status})${said}`,
        'give it the fields that it wants: queue.submit.fields and queue.submit.filesField in the config file',
      );
    case 429:
      return fail(
        'api-busy',
        `the API takes no more requests for now (429)${said}`,
        'wait, or raise its limit for this user',
      );
    default:
  }
  if (status >= 500) {
    return fail('api-failed', `the API failed (${status})${said}`, "see the service's log");
  }
  return fail('api-rejected', `the API refuses this (${status})${said}`, "see the service's log");
}

function redirected(
  fail: (code: string, text: string, remedy: string) => UserError,
  client: Client,
  { status, location }: Answer,
): UserError {
  if (location === null)
    return fail('api-redirect', `the API answers ${status} without saying where to`, "see the service's log");
  // Without the query, which may hold secrets.
  const target = client.redact(`${location.origin}${location.pathname}`);
  const own = location.host === client.broker.address.split('/')[0];
  return fail(
    'api-redirect',
    own
      ? `the API redirects to ${target} (${status}), which is not followed`
      : `the API redirects to another server, ${target} (${status}), which is not followed: the token would go there`,
    own
      ? 'write that address into the config file (often it is a / at the end of the path, or https://)'
      : 'name that server as queue.url if it is the API; if it is a login page, the token was not accepted',
  );
}

/** The error for a success whose answer is no JSON. */
export function notJson(client: Client, answer: Answer): UserError {
  const title = client.redact(titleOf(answer.text));
  const isPage = /html/i.test(answer.contentType) || /^\s*<(?:!doctype|html)/i.test(answer.text);
  const what = isPage
    ? `a web page${title === '' ? '' : ` ("${title}")`}`
    : answer.text.trim() === ''
      ? 'nothing'
      : answer.contentType === ''
        ? 'no JSON'
        : `${answer.contentType.split(';')[0] ?? ''}, no JSON`;
  return environmentError(
    'api-not-json',
    `${answer.call} at ${client.broker.address} was answered (${answer.status}) with ${what}`,
    'let queue.url name the API itself, with the part that its paths have in common, such as /api/v1',
  );
}
