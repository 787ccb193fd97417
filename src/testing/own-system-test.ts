/** The fixture of suites on a user's own system. */
import { afterAll, beforeAll } from 'vitest';
import type { Backend } from './extraction-service.ts';
import { startOwnSystem, type OwnSystem, type OwnTarget } from './own-system.ts';
import { REDIS_SERVER } from './servers.ts';

/** Opens a target of the test's own, which is closed after it. Skips the test where its broker is not there. */
export type OpenTarget = (backend: Backend) => Promise<OwnTarget>;

/** For `test.extend`, called once at the top of a test file: one system for all of its tests. */
export function targetsOfOwnSystem() {
  let system: OwnSystem | undefined;
  beforeAll(async () => {
    system = await startOwnSystem();
  });
  afterAll(() => system?.[Symbol.asyncDispose]());
  return async (
    { skip }: { readonly skip: (note: string) => never },
    use: (open: OpenTarget) => Promise<void>,
  ): Promise<void> => {
    const opened: OwnTarget[] = [];
    await use(async (backend) => {
      if (backend === 'redis' && REDIS_SERVER === null) skip('there is no Redis server here');
      if (system === undefined) throw new Error('the system was not started');
      const target = await system.target(backend);
      opened.push(target);
      return target;
    });
    for (const target of opened) await target[Symbol.asyncDispose]();
  };
}
