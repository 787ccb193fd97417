/** The Python that has Celery: the system's own where its packages are installed, else the one on PATH. */
import { execa } from 'execa';

/** What the Celery target imports. */
const MODULES = ['celery', 'redis', 'psycopg2', 'pypdf'];
const CANDIDATES = ['/usr/bin/python3', 'python3'];

/** Installs them on Debian and Ubuntu. */
export const PYTHON_PACKAGES =
  'apt-get install -y python3-celery python3-redis python3-psycopg2 python3-pypdf';

/** @returns the interpreter; `null`: none of this machine can import all that is needed */
export async function findCeleryPython(): Promise<string | null> {
  for (const python of CANDIDATES) {
    const program = `from importlib.util import find_spec; assert all(map(find_spec, ${JSON.stringify(MODULES)}))`;
    const { exitCode } = await execa(python, ['-c', program], { reject: false });
    if (exitCode === 0) return python;
  }
  return null;
}
