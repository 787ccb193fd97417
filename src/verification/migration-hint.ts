/** Which command would make the job table, by what the project's folder shows. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';

const TOOLS: readonly (readonly [file: string, command: string])[] = [
  ['alembic.ini', 'alembic upgrade head'],
  ['prisma/schema.prisma', 'npx prisma migrate deploy'],
  ['drizzle.config.ts', 'npx drizzle-kit migrate'],
  ['drizzle.config.js', 'npx drizzle-kit migrate'],
  ['knexfile.ts', 'npx knex migrate:latest'],
  ['knexfile.js', 'npx knex migrate:latest'],
  ['manage.py', 'python manage.py migrate'],
  ['schema.sql', 'psql "$DATABASE_URL" -f schema.sql'],
];

/** @returns a sentence for the remedy of a missing table; `null` where no migration tool is recognised */
export async function migrationHint(folder: string): Promise<string | null> {
  for (const [file, command] of TOOLS) {
    const there = await access(join(folder, file)).then(
      () => true,
      () => false,
    );
    if (there)
      return `run your migrations: ${command} (${file} is here), or name another with --table <schema.table>`;
  }
  return null;
}
