/**
 * Requests for access: their shapes (as in `jupyter_secure/protocol/access.py`), how they are read, and what the panel
 * can ask of the server about them.
 */

import { count, fields, list, maybeCount, maybeText, root, text, textMap, texts } from './shape.js';

/** Times in milliseconds since 1970; `state` is requested, approved, denied, revoked or expired. */
export interface AccessRequest {
  id: string;
  user: string;
  dataset: string;
  rung: string;
  purpose: string | null;
  rules: string[];
  reason: string;
  days: number;
  asked: number;
  state: string;
  decided_by: string | null;
  note: string;
  until: number | null;
  ended_by: string | null;
}

/** A form of a dataset that could be asked for. */
export interface AccessOffer {
  dataset: string;
  rung: string;
  purposes: string[];
  max_days: number;
}

export interface Purpose {
  name: string;
  title: string;
  /** What must be acknowledged before the purpose counts; empty if nothing. */
  acknowledge: string;
  digest: string;
  acknowledged: boolean;
}

export interface Requests {
  mine: AccessRequest[];
  others: AccessRequest[];
  decides: boolean;
  /** Numbers of requests whose rules have changed since. */
  stale: string[];
  offers: AccessOffer[];
  purposes: Purpose[];
}

export interface Wish {
  dataset: string;
  rung: string;
  purpose: string | null;
  reason: string;
  days: number;
}

/** What can be asked of the server; a failure is thrown as `ApiError`. */
export interface AccessApi {
  requests(): Promise<Requests>;
  request(wish: Wish): Promise<void>;
  decide(request: string, approve: boolean, days: number | null, note: string): Promise<void>;
  revoke(request: string, note: string): Promise<void>;
  acknowledge(purpose: string, digest: string): Promise<void>;
}

const requestsIn = (value: unknown): AccessRequest[] =>
  list(value, request => ({
    id: text(request.id),
    user: text(request.user),
    dataset: text(request.dataset),
    rung: text(request.rung),
    purpose: maybeText(request.purpose),
    rules: Object.keys(textMap(request.rules)),
    reason: text(request.reason),
    days: count(request.days),
    asked: count(request.asked),
    state: text(request.state),
    decided_by: maybeText(request.decided_by),
    note: text(request.note),
    until: maybeCount(request.until),
    ended_by: maybeText(request.ended_by)
  }));

export function readRequests(value: unknown): Requests {
  const from = root(value);
  return {
    mine: requestsIn(from.mine),
    others: requestsIn(from.others),
    // Only a clear word of the broker shows what decides about others.
    decides: from.decides === true,
    stale: texts(from.stale),
    offers: list(from.offers, offer => ({
      dataset: text(offer.dataset),
      rung: text(offer.rung),
      purposes: texts(offer.purposes),
      max_days: count(offer.max_days)
    })),
    purposes: list(from.purposes, purpose => ({
      name: text(purpose.name),
      title: text(purpose.title),
      acknowledge: text(purpose.acknowledge),
      digest: text(purpose.digest),
      acknowledged: purpose.acknowledged === true
    }))
  };
}

export const NOTHING: Requests = readRequests({});

/** The server's part, over functions that get and post. */
export function accessApi(
  get: (name: string) => Promise<unknown>,
  post: (name: string, body: object) => Promise<unknown>
): AccessApi {
  const done = async (answer: Promise<unknown>): Promise<void> => void fields(await answer);
  return {
    requests: async () => readRequests(await get('requests')),
    request: wish => done(post('requests', wish)),
    decide: (request, approve, days, note) => done(post('requests/decide', { request, approve, days, note })),
    revoke: (request, note) => done(post('requests/revoke', { request, note })),
    acknowledge: (purpose, digest) => done(post('acknowledge', { purpose, digest }))
  };
}

export const isOpen = (request: AccessRequest): boolean => request.state === 'requested';

/** The offers for a dataset, of one form or of any. */
export const offersFor = (all: Requests, dataset: string, rung: string | null): AccessOffer[] =>
  all.offers.filter(offer => offer.dataset === dataset && (rung === null || offer.rung === rung));

export const whatText = ({ dataset, rung, purpose }: AccessRequest): string =>
  `${dataset} as ${rung}${purpose === null ? '' : ` for ${purpose}`}`;

/** Where a request stands, in words for the one who made it. */
export function standingText(request: AccessRequest, stale: boolean, until: (time: number) => string): string {
  if (stale && (request.state === 'approved' || request.state === 'requested')) {
    return 'the rule has changed since: ask again';
  }
  switch (request.state) {
    case 'requested':
      return 'waits for a steward or an officer';
    case 'approved':
      return `approved by ${request.decided_by ?? 'somebody'} until ${until(request.until ?? 0)}`;
    case 'denied':
      return `denied by ${request.decided_by ?? 'somebody'}`;
    case 'revoked':
      return request.ended_by === request.user ? 'given back' : `revoked by ${request.ended_by ?? 'somebody'}`;
    default:
      return 'has run out';
  }
}
