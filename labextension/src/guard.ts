/** Says in sentences what a kernel's confinement permits and prevents, from what was measured. */

import type { GuardReport } from './types.js';

export const LEVELS: Record<string, string> = {
  G0: 'not confined',
  G1: 'partly confined',
  G2: 'confined by the launcher',
  G3: 'confined by bubblewrap and the launcher',
  G4: 'in a container or machine of its own'
};

export const levelText = (level: string): string => LEVELS[level] ?? 'of an unknown level';

/** Whether to warn: anything below the launcher's walls, or a level this panel does not know. */
export const isWeak = (level: string): boolean => !['G2', 'G3', 'G4'].includes(level);

const ATTEMPTS: Record<string, string> = {
  net_tcp: 'open network connections',
  net_udp: 'send network packets',
  net_route: 'reach a network at all',
  unix_path: "talk to other programs' sockets",
  unix_abstract: 'talk to abstract sockets of the host',
  secret_read: "read the vault's files",
  secret_dir: "list the vault's folder",
  secret_chmod: "change the rights of the vault's files",
  startup_write: 'plant code that runs when a shell or Jupyter starts',
  site_write: 'change installed packages',
  site_packages_write: 'change installed packages',
  proc_environ: "read other processes' environment",
  signal: 'send signals to other processes',
  ptrace: 'trace other processes',
  io_uring: 'use io_uring',
  userns: 'make user namespaces',
  keyctl: 'read the kernel keyring',
  vsock: 'talk to the host over vsock',
  prlimit: "change other processes' limits"
};

export interface Sentences {
  cannot: string[];
  can: string[];
}

/** One phrase for each attempt that was made, in the order of the report; the code in the notebook is the subject. */
export function sentences(report: GuardReport): Sentences {
  const result: Sentences = { cannot: [], can: [] };
  for (const [name, blocked] of Object.entries(report.canaries)) {
    const phrase = ATTEMPTS[name.replaceAll('-', '_')] ?? `do what the attempt “${name}” tries`;
    (blocked ? result.cannot : result.can).push(phrase);
  }
  return result;
}
