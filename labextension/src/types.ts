/**
 * The shapes that cross from the server to the panel.
 *
 * They mirror `jupyter_secure/protocol`, field names included, so that one search finds both ends. Closed lists of the
 * protocol are plain strings here: a newer server may know more of them, and the panel shows what it does not know.
 */

/** How confined a kernel is, as measured. `canaries` says of each attempt whether it was blocked. */
export interface GuardReport {
  level: string;
  layers: string[];
  canaries: Record<string, boolean>;
  outside: Record<string, string>;
  missing: string[];
}

/** Who the broker says is asking; `mfa_at` in seconds since 1970. */
export interface User {
  name: string;
  display_name: string;
  roles: string[];
  mfa_at: number | null;
}

/** `granted` says whether the broker knows the kernel yet, `network` in a sentence what it reaches. */
export interface KernelState {
  id: string;
  guard: GuardReport | null;
  granted: boolean;
  network: string;
}

export type VaultState = 'unlocked' | 'locked' | 'down';

export interface Session {
  user: User | null;
  vault: VaultState;
  kernel: KernelState | null;
  notebook: string | null;
}

/** A column as it would cross now; `treatment` is null where the column is left out. */
export interface ColumnOffer {
  name: string;
  type: string;
  tag: string | null;
  treatment: string | null;
  reason: string;
  /** A made-up example of what comes out. */
  form: string;
}

/**
 * `rows` is null where the number of rows is itself private; `rungs` highest first, none if a condition is missing now
 * (the reasons of the columns say which).
 */
export interface Offer {
  dataset: string;
  version: number;
  rows: number | null;
  rungs: string[];
  columns: ColumnOffer[];
  purposes: string[];
  /** What must be true of a view before it crosses; empty where nothing is asked. */
  check: string;
}

export interface Header {
  time: number;
  kind: string;
  outcome: string;
  request: string | null;
  reference: number | null;
  dataset: string | null;
  version: number | null;
  rung: string | null;
  columns: string[];
  rows: number | null;
  guard: string | null;
  error: string | null;
  cost: string | null;
  /** Only the price of a question was told. */
  preview: boolean;
}

export interface Personal {
  user: string | null;
  notebook: string | null;
  purpose: string | null;
  note: string | null;
}

/** An entry of the log; `personal` is null once it was erased. */
export interface Entry {
  seq: number;
  header: Header;
  personal: Personal | null;
}

/** Newest first, with the signed checkpoint that covers them. */
export interface LogPage {
  entries: Entry[];
  checkpoint: string;
}

export interface Node {
  id: string;
  kind: string;
  label: string;
  detail: Record<string, string>;
}

export interface Edge {
  source: string;
  target: string;
  assertion: string;
  time: number;
  seq: number | null;
}

export interface Graph {
  nodes: Node[];
  edges: Edge[];
}

/** Epsilon as decimal strings; null where the number would show what colleagues spent. */
export interface Gauge {
  dataset: string;
  scope: string;
  cap: string;
  spent: string | null;
  remaining: string | null;
  delta: string;
  renewed: number;
}

/** One question that was paid for; `user` is null once the person's part of the entry was erased. */
export interface Spent {
  time: number;
  dataset: string;
  columns: string[];
  cost: string;
  user: string | null;
  notebook: string | null;
  seq: number;
}

/** What is left, and the last questions that spent it, newest first. */
export interface Budget {
  gauges: Gauge[];
  history: Spent[];
}

/** Parameters of a treatment beside its method, as text. */
export interface Treatment {
  method: string;
  parameters: Record<string, string>;
}

export interface ColumnReason {
  column: string;
  tag: string | null;
  treatment: Treatment | null;
  rule: string | null;
  sentence: string;
  advice: string;
}

export interface NearMiss {
  rule: string;
  rung: string;
  condition: string;
  advice: string;
}

export interface Why {
  dataset: string;
  rung: string;
  reasons: ColumnReason[];
  near_misses: NearMiss[];
  policy: string;
}

export interface Passkey {
  id: string;
  label: string;
  created: number;
}

/** A request of a kernel that waits for a proof; `columns` is null where it asks for all. */
export interface PendingStepUp {
  challenge: string;
  dataset: string;
  rung: string;
  columns: string[] | null;
  purpose: string | null;
  notebook: string;
  expires: number;
}

/** The second factors of a person; `recovery` holds new recovery codes in the one answer that tells them. */
export interface Mfa {
  totp: boolean;
  passkeys: Passkey[];
  recovery_left: number;
  mfa_at: number | null;
  locked_until: number | null;
  pending: PendingStepUp[];
  recovery: string[];
  /** Where a browser proves a challenge at the identity provider; null without one. */
  provider: string | null;
}

/** What an app needs to show codes; `qr` as rows of `0` and `1`. */
export interface MfaSecret {
  secret: string;
  qr: string[];
}

/** A challenge with the options of `navigator.credentials` as JSON text. */
export interface MfaOptions {
  challenge: string;
  options: string;
}

/** What went wrong, in the words of the server; `code` from the closed list of `protocol/errors.py` or one of ours. */
export interface Fault {
  code: string;
  public: string;
}
