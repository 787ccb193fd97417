import { describe, expect, it } from 'vitest';

import { isPart, refersTo } from './reference.ts';

const UUID = '0b1f9c5e-6f0c-4f43-9d2a-2f6f0f4a7a10';

describe('refersTo', () => {
  it('finds the id where the message that was sent has it', () => {
    expect(refersTo({ jobId: UUID, filePaths: [] }, UUID, { jobId: UUID, filePaths: ['a'] })).toBe(true);
    expect(refersTo({ job: { id: 7 } }, '7', { job: { id: 7 } })).toBe(true);
    expect(refersTo({ job: { id: '7' } }, '7', { job: { id: 7 } })).toBe(true);
    expect(refersTo(['x', UUID], UUID, ['y', UUID])).toBe(true);
    expect(refersTo(UUID, UUID, UUID)).toBe(true);
  });

  it('is not misled by the same value in another place', () => {
    expect(refersTo({ jobId: 9, files: 7 }, '7', { jobId: 7, files: 5 })).toBe(false);
    expect(refersTo({ parent: UUID, jobId: 'another' }, UUID, { jobId: UUID })).toBe(false);
    expect(refersTo({ parent: 7 }, '7', { jobId: 7 })).toBe(false);
    expect(refersTo({ jobId: UUID }, UUID, { unrelated: true })).toBe(false);
  });

  it('knows an unmistakable id in another shape, where nothing else stands in its place', () => {
    expect(refersTo({ id: UUID }, UUID, { jobId: UUID })).toBe(true);
    expect(refersTo([[], { job_id: UUID }], UUID, [['files', {}, null, UUID], {}])).toBe(true);
    expect(refersTo([['a', 'b'], { job_id: UUID }], UUID, [['files', UUID], {}])).toBe(false);
  });

  it('looks for an unmistakable id alone where nothing is known of the message that was sent', () => {
    expect(refersTo({ anything: [UUID] }, UUID, undefined)).toBe(true);
    expect(refersTo({ jobId: 7 }, '7', undefined)).toBe(false);
  });

  it('tells a part of the job from the whole of it', () => {
    const sent = { jobId: UUID, filePaths: ['a', 'b', 'c'] };
    expect(isPart({ jobId: UUID, filePaths: ['b'] }, sent)).toBe(true);
    expect(isPart({ jobId: UUID, filePaths: ['c', 'b'] }, sent)).toBe(true);
    expect(isPart([[['b'], UUID], {}], [[['a', 'b'], UUID], {}])).toBe(true);
    expect(isPart(sent, sent)).toBe(false);
    expect(isPart({ jobId: UUID, filePaths: ['x'] }, sent)).toBe(false);
    expect(isPart({ jobId: UUID, filePaths: [] }, sent)).toBe(false);
    expect(isPart({ jobId: UUID }, sent)).toBe(false);
    expect(isPart({ filePaths: ['a'] }, { filePaths: ['a'] })).toBe(false);
  });

  it('knows data that are no object', () => {
    expect(refersTo(null, UUID, { jobId: UUID })).toBe(false);
    expect(refersTo('text', UUID, { jobId: UUID })).toBe(false);
  });
});
