/**
 * Waits for `work`, but no longer than `limitMs`. Whatever `work` comes to later is dropped, a rejection included.
 * @returns what `work` came to, or `timed-out`.
 */
export async function within<T>(work: Promise<T>, limitMs: number): Promise<T | 'timed-out'> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<'timed-out'>((resolve) => {
    timer = setTimeout(resolve, limitMs, 'timed-out');
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
