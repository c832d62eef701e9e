import { spawnSync } from 'node:child_process';

const COMMANDS = ['unshare', 'nsenter', 'setpriv', 'mount', 'ip', 'bash', 'gcc', 'pkg-config', 'apt-get', 'dpkg'];

/** Why real nodes cannot run on this machine, or undefined. They need root on Debian or Ubuntu, with the right to create namespaces. */
export function whyNoRealNodes(): string | undefined {
  if (process.platform !== 'linux') return `a real node needs Linux, not ${process.platform}`;
  if (process.getuid?.() !== 0) return 'a real node needs root';
  const missing = COMMANDS.filter((command) => spawnSync('which', [command]).status !== 0);
  if (missing.length > 0) return `a real node needs ${missing.join(', ')}`;
  const { status, stderr } = spawnSync('unshare', [...NAMESPACES, 'mount', '-n', '-t', 'tmpfs', 'tmpfs', '/run'], { encoding: 'utf8' });
  return status === 0 ? undefined : `a real node needs namespaces: ${stderr.trim()}`;
}

/** The options of `unshare` for the namespaces of a node. Its first process ends with `unshare`, and all others with the first. */
export const NAMESPACES = ['--mount', '--net', '--pid', '--ipc', '--uts', '--fork', '--mount-proc', '--kill-child'];
