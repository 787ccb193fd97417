/** Our messages, read by kombu and Celery themselves: a malformed one would end a worker. */
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { CELERY_PYTHON } from '../../testing/celery-worker.ts';
import { readStoredMessage, taskEnvelope, taskMessage } from './message.ts';
import { readTaskCall } from './payload.ts';

const PROGRAM = `
import json, sys
from unittest import mock
from kombu.transport import virtual
from celery import Celery
from celery.worker.request import Request

payload = json.load(sys.stdin)
message = virtual.Message(payload, channel=mock.Mock(
    body_encoding="base64", decode_body=lambda body, encoding: __import__("base64").b64decode(body)))
app = Celery()

@app.task(name="extract_bulk")
def extract_bulk(*args, **kwargs):
    pass

args, kwargs, embed = message.decode()
request = Request(message, app=app, decoded=True, body=(args, kwargs, embed), headers=message.headers,
                  on_ack=lambda *_: None, task=extract_bulk, eventer=None)
reference = app.amqp.as_task_v2("x", "extract_bulk", args, kwargs)
print(json.dumps({
    "args": args, "kwargs": kwargs, "embed": embed, "tag": message.delivery_tag, "info": message.delivery_info,
    "id": request.id, "task": request.name, "eta": request.eta and request.eta.isoformat(),
    "expires": request.expires and str(request.expires), "correlation": message.properties["correlation_id"],
    "missing": sorted(set(reference.headers) - set(message.headers)), "embedded": sorted(reference.body[2]),
}))
`;

test.skipIf(CELERY_PYTHON === null)('kombu and Celery read what apply_async would have written', () => {
  const id = 'b2c6a3f4-3c53-4c1b-9e64-8d8a1f6b0c11';
  const call = readTaskCall({
    args: [['/tmp/ü.pdf'], null, {}, 'job'],
    kwargs: { depth: 2 },
    headers: { tenant: 'acme' },
    countdown: 60,
    expires: 600,
  });
  const text = taskEnvelope(taskMessage(id, 'extract_bulk', call, Date.UTC(2026, 0, 1)), 'celery');
  const read: unknown = JSON.parse(
    execFileSync(CELERY_PYTHON ?? '', ['-c', PROGRAM], { input: text }).toString(),
  );
  expect(read).toMatchObject({
    args: [['/tmp/ü.pdf'], null, {}, 'job'],
    kwargs: { depth: 2 },
    embed: { callbacks: null, errbacks: null, chain: null, chord: null },
    embedded: ['callbacks', 'chain', 'chord', 'errbacks'],
    tag: id,
    info: { exchange: '', routing_key: 'celery' },
    id,
    correlation: id,
    task: 'extract_bulk',
    eta: '2026-01-01T00:01:00+00:00',
    missing: [],
  });
  expect(readStoredMessage(text)).toMatchObject({
    id,
    task: 'extract_bulk',
    deliveryTag: id,
    redelivered: false,
    eta: '2026-01-01T00:01:00.000+00:00',
    call: [[['/tmp/ü.pdf'], null, {}, 'job'], { depth: 2 }],
  });
});

test.each([
  ['text', 'neither a list nor an object'],
  [{ jobId: 1 }, 'jobId is none of its keys'],
  [{ args: {} }, 'args is no list'],
  [{ kwargs: [] }, 'kwargs is no object'],
  [{ priority: 'high' }, 'priority'],
  [{ countdown: -1 }, 'countdown'],
  [{ args: [1n] }, 'cannot be written as JSON'],
])('what is malformed is not sent (%#)', (payload, words) => {
  expect(() => readTaskCall(payload)).toThrow(
    expect.objectContaining({ code: 'payload-invalid', message: expect.stringContaining(words) }),
  );
});
