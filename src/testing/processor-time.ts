/** The processor time that this process used while something ran, in milliseconds: unlike the clock, the same on a busy machine. */
export async function processorTimeMs(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
