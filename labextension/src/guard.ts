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

// The names are those of `guard/wall/canaries.py`.
const ATTEMPTS: Record<string, string> = {
  tcp: 'open network connections',
  udp: 'send network packets',
  route: 'find a way out to a network',
  unix_path: 'talk to the sockets of other programs',
  unix_abstract: 'talk to abstract sockets of this computer',
  vsock: 'talk to the host of a virtual machine',
  secret_read: 'read files it was not given',
  secret_write: 'write to files it was not given',
  secret_chmod: 'change the rights of files it was not given',
  secret_truncate: 'empty files it was not given',
  folder_list: 'list folders it was not given',
  folder_write: 'put files into folders it was not given',
  code_write: 'change installed packages',
  hidden: 'see the vault and the folders kept beside it',
  environ: 'read the environment of other processes',
  signal: 'end other processes of yours',
  ptrace: 'trace other processes',
  prlimit: 'change the limits of other processes',
  user_namespace: 'make user namespaces',
  io_uring: 'use io_uring, which filters do not see',
  keyring: "read the operating system's keyring"
};

export interface Sentences {
  cannot: string[];
  can: string[];
}

/** One phrase for each attempt that was made, in the order of the report; the code in the notebook is the subject. */
export function sentences(report: GuardReport): Sentences {
  const result: Sentences = { cannot: [], can: [] };
  for (const [name, blocked] of Object.entries(report.canaries)) {
    const phrase = ATTEMPTS[name] ?? `do what the attempt “${name}” tries`;
    (blocked ? result.cannot : result.can).push(phrase);
  }
  return result;
}
