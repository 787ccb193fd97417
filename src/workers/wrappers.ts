/**
 * Which programs only run another one. A wrapper passes no signal on (npm, a shell) or adds nothing to the work, so
 * the worker is sought below it; a helper stands beside the worker (`node worker.js | tee log`); a supervisor keeps
 * workers of its own accord and is never the worker that a person should be pointed to.
 */
import type { ProcessInfo } from '../core/event.ts';
import { programOf } from './command-line.ts';

const SHELLS = ['sh', 'bash', 'dash', 'zsh', 'ash', 'ksh', 'mksh', 'fish', 'busybox', 'pwsh'];

/** Compiled launchers: known by the name of the program, never by that of a script (`node task.js` is a worker). */
const COMPILED = wordsOf(`
  env nohup nice ionice time timeout setsid stdbuf unbuffer script flock taskset chrt prlimit catchsegv
  strace ltrace perf xvfb-run bwrap firejail sudo su doas runuser gosu su-exec setpriv chpst chroot
  unshare nsenter tini tini-static dumb-init catatonit docker-init systemd-run systemd-cat op doppler
  infisical aws-vault chamber overmind hivemind watchexec entr reflex air make just task uv rye bunx
`);

/** Launchers that are scripts themselves, so that an interpreter may stand before their name. */
const SCRIPTED = wordsOf(`
  npm npm-cli npx npx-cli pnpm pnpx yarn yarnpkg corepack npm-run-all run-s run-p lerna nx turbo poetry
  pipenv pdm hatch bundle foreman honcho concurrently dotenv dotenvx env-cmd cross-env cross-env-shell
  nodemon ts-node-dev tsnd tsc-watch watchmedo watchfiles
`);

const WRAPPER_PROGRAMS = new Set([...SHELLS, ...COMPILED, ...SCRIPTED]);
const WRAPPER_SCRIPTS = new Set(SCRIPTED);

/** Launchers that start themselves again with the script, or run it in their own process: told by the child. */
const SELF_STARTERS = ['tsx', 'ts-node'];

/** Toolchains that compile and then run what they compiled, by their subcommand. */
const RUN_COMMANDS: Readonly<Record<string, readonly string[]>> = {
  go: ['run'],
  dotnet: ['run', 'watch'],
  cargo: ['run', 'watch'],
  deno: ['task'],
};

/** Before the script: behind it, it is the script's own argument. */
const NODE_WATCH = /^\S+(?:\s+-\S+)*\s+--watch(?:-path\S*)?(?:\s|$)/u;

/** Programs that stand beside a worker in a pipeline or a script. */
const HELPERS = new Set(
  wordsOf(`
  sleep cat tee tail head grep sed awk gawk mawk ts logger multilog svlogd rotatelogs cronolog jq
  pino-pretty bunyan date ps curl wget psql redis-cli
`),
);

/** Programs that keep other people's workers; a climb from a connection's holder ends below them. */
const SUPERVISORS = new Set(
  wordsOf(`
  systemd init launchd supervisord circusd runsvdir runsv s6-supervise s6-svscan containerd-shim
  containerd-shim-runc-v2 conmon dockerd tmux screen login sshd cron crond PM2 pm2 verify-restart
`),
);

function wordsOf(text: string): readonly string[] {
  return text.trim().split(/\s+/u);
}

/** Whether the process is there to run another one, going by its command line alone. */
export function isWrapper(process: ProcessInfo): boolean {
  const { name, script, scriptName, arguments: values } = programOf(process.command);
  if (WRAPPER_PROGRAMS.has(name) || selfStarterOf(process) !== null) return true;
  // Yarn keeps its own releases in a project: yarn-4.1.0.cjs.
  if (scriptName !== null && WRAPPER_SCRIPTS.has(scriptName.replace(/-\d[\w.-]*$/u, ''))) return true;
  // `bun run start` runs a script of package.json in a child, `bun run worker.ts` the file in its own process.
  if (name === 'bun' && script === 'run') return !/\.[cm]?[jt]sx?$/u.test(values[0] ?? '');
  // Node's watch mode runs the script in a child that it starts anew.
  if (name === 'node' && NODE_WATCH.test(process.command)) return true;
  return RUN_COMMANDS[name]?.includes(values[0] ?? '') ?? false;
}

/** Whether `child` may be what the wrapper `parent` runs. */
export function wraps(parent: ProcessInfo, child: ProcessInfo): boolean {
  if (!isWrapper(parent) || isHelper(child)) return false;
  const selfStarter = selfStarterOf(parent);
  return selfStarter === null || new RegExp(`[/\\s']${selfStarter}[/\\s']`, 'u').test(`${child.command} `);
}

/** Whether the process is one of those that stand beside a worker and do none of its work. */
export function isHelper(process: ProcessInfo): boolean {
  const { name, scriptName } = programOf(process.command);
  return HELPERS.has(name) || (scriptName !== null && HELPERS.has(scriptName));
}

/** Whether the process keeps workers that are not part of it. */
export function isSupervisor(process: ProcessInfo): boolean {
  const { name, scriptName } = programOf(process.command);
  return process.pid <= 1 || SUPERVISORS.has(name) || (scriptName !== null && SUPERVISORS.has(scriptName));
}

/** `tsx` or `ts-node`, where it is what the process was started as. */
function selfStarterOf(process: ProcessInfo): string | null {
  const { name, script, scriptName } = programOf(process.command);
  return (
    SELF_STARTERS.find(
      (starter) =>
        name === starter || scriptName === starter || (script?.includes(`/${starter}/dist/`) ?? false),
    ) ?? null
  );
}
