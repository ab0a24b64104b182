/**
 * Remembers how long the audit log was, and says so loudly when it is not a continuation of that.
 *
 * A checkpoint is a signed note (C2SP tlog-checkpoint): origin, number of entries, root hash, an empty line, signatures.
 * The panel holds no key and checks no signature or proof; what it can tell by itself is that a log became shorter, that
 * the same length has another root, or that another log was put in its place. It does so for as long as the page
 * lives; the first alarm stays. `jupyter secure audit verify` checks everything.
 */

export interface Checkpoint {
  origin: string;
  size: number;
  root: string;
}

export type Verdict = 'first' | 'same' | 'grown' | 'shorter' | 'rewritten' | 'replaced' | 'unreadable';

export interface Finding {
  verdict: Verdict;
  now: Checkpoint | null;
  before: Checkpoint | null;
}

const ALARMS: ReadonlySet<Verdict> = new Set(['shorter', 'rewritten', 'replaced']);
const SIZE = /^(0|[1-9][0-9]{0,15})$/;

export function readCheckpoint(note: string): Checkpoint | null {
  const [origin, size, root] = note.split('\n');
  if (!origin || !root || size === undefined || !SIZE.test(size)) {
    return null;
  }
  return { origin, size: Number(size), root };
}

export function compare(before: Checkpoint | null, now: Checkpoint | null): Verdict {
  if (!now) {
    return 'unreadable';
  }
  if (!before) {
    return 'first';
  }
  if (before.origin !== now.origin) {
    return 'replaced';
  }
  if (now.size === before.size) {
    return now.root === before.root ? 'same' : 'rewritten';
  }
  return now.size < before.size ? 'shorter' : 'grown';
}

export const isAlarm = (finding: Finding): boolean => ALARMS.has(finding.verdict);

export class CheckpointWatch {
  /** The longest state seen. */
  last: Checkpoint | null = null;
  /** The first finding that should alarm somebody; never forgotten while the page lives. */
  alarm: Finding | null = null;

  /**
   * Judge a checkpoint.
   *
   * `before` is what `last` was when the question was sent: answers may overtake one another, and an answer that was
   * under way meanwhile is rightly older than one that arrived first.
   */
  observe(note: string, before: Checkpoint | null): Finding {
    const now = readCheckpoint(note);
    const finding = { verdict: compare(before, now), now, before };
    if (isAlarm(finding)) {
      this.alarm ??= finding;
    } else if (now && (!this.last || now.size > this.last.size)) {
      this.last = now;
    }
    return finding;
  }
}

/** One sentence for the person. */
export function findingSentence(finding: Finding): string {
  const { now, before } = finding;
  const entries = (point: Checkpoint | null): string => (point?.size ?? 0).toLocaleString();
  switch (finding.verdict) {
    case 'first':
      return `Log of ${entries(now)} entries, remembered from now on.`;
    case 'same':
      return `Log of ${entries(now)} entries, the same as remembered.`;
    case 'grown':
      return `Log of ${entries(now)} entries, none fewer than the ${entries(before)} remembered.`;
    case 'shorter':
      return `The log got shorter: ${entries(before)} entries were remembered, now it has ${entries(now)}.`;
    case 'rewritten':
      return `The log was rewritten: its ${entries(now)} entries are not the ones remembered.`;
    case 'replaced':
      return `Another log answers: “${now?.origin}” instead of “${before?.origin}”.`;
    case 'unreadable':
      return 'The server sent no readable checkpoint, so the log cannot be compared with what was remembered.';
  }
}
