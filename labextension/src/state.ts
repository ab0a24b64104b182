/** What the panel shows at one moment, and the questions it can ask to learn it. */

import type { AccessApi, Requests } from './access.js';
import type { Finding } from './checkpoint.js';
import type { Log } from './logPages.js';
import type { Fault, Budget, Graph, LogPage, Mfa, Offer, Session, VaultState, Why } from './types.js';

/** The questions; a failure is thrown as `ApiError`. */
export interface Api extends AccessApi {
  session(path: string | null): Promise<Session>;
  datasets(path: string): Promise<Offer[]>;
  log(path: string, limit: number, before: number | null): Promise<LogPage>;
  lineage(path: string): Promise<Graph>;
  budget(path: string): Promise<Budget>;
  why(path: string, dataset: string, column: string): Promise<Why>;
  unlock(passphrase: string): Promise<VaultState>;
  mfa(): Promise<Mfa>;
  /** Send a message about second factors; the answer depends on its type and is read by whoever sent it. */
  mfaSend(message: Record<string, unknown>): Promise<unknown>;
}

export class ApiError extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.public);
    this.fault = fault;
  }
}

export function faultOf(error: unknown): Fault {
  return error instanceof ApiError
    ? error.fault
    : { code: 'answer', public: 'The answer of the server could not be read.' };
}

/** One part of the panel: the last good answer, and what went wrong since. */
export interface Part<T> {
  value: T | null;
  fault: Fault | null;
  loading: boolean;
}

export interface Parts {
  session: Part<Session>;
  mfa: Part<Mfa>;
  offers: Part<Offer[]>;
  log: Part<Log>;
  graph: Part<Graph>;
  gauges: Part<Budget>;
  requests: Part<Requests>;
}

export interface Snapshot extends Parts {
  path: string | null;
  /** What the last checkpoint of the log showed. */
  finding: Finding | null;
  /** The first finding that should alarm somebody. */
  alarm: Finding | null;
  /** The last thing that happened in the log, for screen readers. */
  news: string;
  /** Grows with every round of questions, so that answers given on demand (`why?`) know when they are stale. */
  round: number;
}

const EMPTY = { value: null, fault: null, loading: false };

/** Everything that belongs to one notebook, empty. */
export const BLANK = {
  offers: EMPTY,
  log: EMPTY,
  graph: EMPTY,
  gauges: EMPTY,
  requests: EMPTY,
  finding: null,
  news: ''
};

export const START: Snapshot = { path: null, session: EMPTY, mfa: EMPTY, ...BLANK, alarm: null, round: 0 };
