/** Joins pages of the access log into one list, newest first. */

import type { Entry } from './types.js';

export interface Log {
  entries: Entry[];
  /** Whether older entries may exist. */
  more: boolean;
}

/**
 * Put a newly fetched first page before what is loaded already.
 *
 * Older pages are kept only if the new page reaches them; otherwise entries in between would be missing unseen.
 */
export function withNewest(old: Log | null, page: Entry[], limit: number): Log {
  const full = page.length >= limit;
  const oldest = page.at(-1);
  const newestOld = old?.entries[0];
  if (!old || !oldest || !newestOld || (full && oldest.seq > newestOld.seq)) {
    return { entries: page, more: full };
  }
  const older = old.entries.filter(entry => entry.seq < oldest.seq);
  return { entries: [...page, ...older], more: older.length > 0 ? old.more : full };
}

/** Put an older page behind what is loaded. */
export function withOlder(old: Log, page: Entry[], limit: number): Log {
  const last = old.entries.at(-1)?.seq ?? Infinity;
  return {
    entries: [...old.entries, ...page.filter(entry => entry.seq < last)],
    more: page.length >= limit
  };
}

/** Entries that were not there before; none if nothing was there. */
export function arrivals(old: Log | null, now: Log): Entry[] {
  const newest = old?.entries[0]?.seq;
  return old === null ? [] : now.entries.filter(entry => entry.seq > (newest ?? -1));
}
