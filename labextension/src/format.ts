/** Words and numbers as people read them. Pure: the time of now is an argument. */

import type { ColumnOffer, Entry, Gauge, Header, Offer } from './types.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export type Outcome = 'permitted' | 'refused' | 'done' | 'failed' | 'other';

export const plural = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString()} ${n === 1 ? one : many}`;

/** The time of day for today, else the date too; times in milliseconds since 1970. */
export function shortTime(time: number, now: number): string {
  const date = new Date(time);
  const clock = date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
  return date.toDateString() === new Date(now).toDateString()
    ? clock
    : `${date.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })}, ${clock}`;
}

export const fullTime = (time: number): string =>
  new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

export function ago(time: number, now: number): string {
  const past = Math.max(0, now - time);
  if (past < MINUTE) {
    return 'just now';
  }
  if (past < HOUR) {
    return `${Math.floor(past / MINUTE)} min ago`;
  }
  return past < 2 * DAY ? `${Math.floor(past / HOUR)} h ago` : `${Math.floor(past / DAY)} days ago`;
}

/** `mfaAt` in seconds since 1970. */
export const mfaText = (mfaAt: number | null, now: number): string =>
  mfaAt === null ? 'not verified' : `verified ${ago(mfaAt * 1000, now)}`;

export const rowsText = (rows: number | null): string => (rows === null ? 'rows hidden' : plural(rows, 'row'));

const RUNGS: Record<string, string> = {
  raw: 'Raw: the values as they are',
  masked: 'Masked: every column as the policy says',
  dp: 'DP: only answers with differential privacy, never rows',
  synthetic: 'Synthetic: invented rows of the same shape'
};

export const rungText = (rung: string): string => RUNGS[rung] ?? rung;

const TAGS: Record<string, string> = {
  direct: 'Names the person',
  quasi: 'Names the person together with others',
  sensitive: 'Must not be tied to the person',
  measure: 'A quantity of interest',
  public: 'Says nothing about a person'
};

export const tagText = (tag: string | null): string =>
  tag === null ? 'Not confirmed by a steward, hence left out' : (TAGS[tag] ?? tag);

const TREATMENTS: Record<string, string> = {
  keep: 'as it is',
  dp: 'answers only',
  clip: 'clipped',
  noise: 'number with noise',
  'shift-dates': 'shifted date',
  scrub: 'scrubbed text',
  partial: 'part of the value',
  'format-preserving': 'token of the same form',
  generalize: 'coarser value',
  custom: 'value masked by a plug-in'
};

export const treatmentText = (treatment: string | null): string =>
  treatment === null ? 'left out' : (TREATMENTS[treatment] ?? treatment);

export const whyQuestion = ({ name, treatment }: ColumnOffer): string =>
  treatment === null ? `Why is ${name} left out?` : `Why does ${name} come as ${treatmentText(treatment)}?`;

export function offerSummary(offer: Offer): string {
  const outside = offer.columns.filter(column => column.treatment === null).length;
  const all = plural(offer.columns.length, 'column');
  return outside === 0 ? all : `${all}, ${outside.toLocaleString()} left out`;
}

const KINDS: Record<string, string> = {
  'vault.created': 'Vault created',
  'vault.unlocked': 'Vault unlocked',
  'vault.unlock_failed': 'Unlock attempt',
  'vault.passphrase_changed': 'Passphrase changed',
  'broker.started': 'Broker started',
  'broker.stopped': 'Broker stopped',
  'user.added': 'User added',
  login: 'Login',
  'login.failed': 'Login attempt',
  'dataset.sealed': 'Dataset sealed',
  'dataset.shredded': 'Dataset destroyed',
  'keys.rotated': 'Keys rotated',
  'subject.deleted': 'Person deleted',
  'policy.applied': 'Policy applied',
  'kernel.started': 'Kernel started',
  'kernel.stopped': 'Kernel stopped',
  'mfa.enrolled': 'Second factor added',
  'mfa.removed': 'Second factor removed',
  'mfa.verified': 'Second factor verified',
  'mfa.failed': 'Second factor attempt',
  'mfa.locked': 'Second factor locked',
  'mfa.reset': 'Second factors reset',
  'load.decided': 'Load requested',
  'load.delivered': 'Load delivered',
  'load.failed': 'Load',
  'query.decided': 'Query requested',
  'query.answered': 'Query answered',
  'query.failed': 'Query',
  'egress.decided': 'Connection',
  'outputs.compared': 'Saved outputs compared',
  'views.cleared': 'Kept views removed',
  'view.dropped': 'Damaged kept view dropped',
  'budget.renewed': 'Budget renewed',
  'ledger.anchored': 'Budget anchored',
  'access.requested': 'Access requested',
  'access.approved': 'Access approved',
  'access.denied': 'Access denied',
  'access.revoked': 'Access revoked',
  'purpose.acknowledged': 'Purpose acknowledged',
  'entry.erased': 'Personal part erased'
};

export const kindText = (kind: string): string => KINDS[kind] ?? kind.replace(/[._]/g, ' ');

/** What happened, in a word or two. */
export const entryText = ({ kind, preview }: Header): string => (preview ? 'Price of a query asked' : kindText(kind));

export function outcomeOf(entry: Entry): Outcome {
  const { outcome } = entry.header;
  return outcome === 'permitted' || outcome === 'refused' || outcome === 'done' || outcome === 'failed'
    ? outcome
    : 'other';
}

const ERRORS: Record<string, string> = {
  refused: 'Not available in that form',
  step_up: 'Second factor needed',
  guard: 'Kernel not confined enough',
  budget: 'Privacy budget',
  disclosure: 'Would tell people apart',
  integrity: 'Integrity check failed',
  locked: 'Vault locked',
  cancelled: 'Cancelled',
  internal: 'Fault inside the broker',
  unlock: 'Wrong passphrase',
  audit_unavailable: 'Log could not be written'
};

/** Why it went as it did: the note, else the error, else the purpose it was asked for. */
export function reasonText(entry: Entry): string {
  const { header, personal } = entry;
  const error = header.error === null ? '' : (ERRORS[header.error] ?? header.error);
  const purpose = personal?.purpose ? `for ${personal.purpose}` : '';
  const cost = header.cost && !header.preview ? `cost ε ${header.cost}` : '';
  return [personal?.note?.replace(/\.$/, '') || error, purpose, cost].filter(Boolean).join(', ');
}

export const datasetText = (name: string | null, version: number | null): string =>
  name === null ? '' : version === null ? name : `${name} v${version}`;

/** What screen readers are told when entries arrive. */
export function newsSentence(fresh: Entry[]): string {
  const [entry] = fresh;
  if (!entry) {
    return '';
  }
  const what = [entryText(entry.header), datasetText(entry.header.dataset, null)].filter(Boolean).join(' ');
  return `${plural(fresh.length, 'new log entry', 'new log entries')}. Last: ${what}, ${entry.header.outcome}.`;
}

/** Part of a budget that is spent, 0 to 1; null where it is not shown. */
export function spentShare(gauge: Gauge): number | null {
  const cap = Number(gauge.cap);
  const spent = gauge.spent === null ? NaN : Number(gauge.spent);
  return Number.isFinite(spent) && cap > 0 ? Math.min(1, Math.max(0, spent / cap)) : null;
}

export const gaugeText = (gauge: Gauge): string =>
  gauge.spent === null ? `of ε ${gauge.cap}, spending not shown` : `ε ${gauge.spent} of ${gauge.cap} spent`;

export const scopeText = (scope: string): string =>
  ({ person: 'you', dataset: 'all people', project: 'this project', notebook: 'this notebook' })[scope] ?? scope;
