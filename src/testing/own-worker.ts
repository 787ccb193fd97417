/** Workers as a user may write them: a few lines on BullMQ with Redis and pg, without the bundled reference. */

/**
 * @param handler the body of the handler: it has the job's `id`, `files`, `state()` of its row, `set(status)` and
 *   `pause(ms)`
 * @returns a module of JavaScript for the folder of a test
 */
export function ownWorker(queueName: string, handler: string): string {
  return `
    import { setTimeout as pause } from 'node:timers/promises';
    import { Worker } from '${import.meta.resolve('bullmq')}';
    import pg from '${import.meta.resolve('pg')}';

    const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });

    new Worker('${queueName}', async ({ data: { jobId: id, filePaths: files } }) => {
      const state = async () => (await pool.query('select status from pybase.extraction_jobs where id = $1', [id])).rows[0].status;
      const set = (status) => pool.query(
        \`update pybase.extraction_jobs
             set status = $1::text, started_at = coalesce(started_at, now()), completed_at = case when $1::text = 'completed' then now() end
           where id = $2\`, [status, id]);
      ${handler}
    }, { connection: { url: process.env.REDIS_URL }, lockDuration: 1000, stalledInterval: 500 });
  `;
}
