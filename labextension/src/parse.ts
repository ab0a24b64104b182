/**
 * Reads what the server sent, trusting nothing about its shape.
 *
 * A missing or mistyped field becomes its empty value; a whole answer that is not an object is refused with
 * `ShapeError`. Unknown fields are ignored, so an older panel works with a newer server. Nothing is shown that did not
 * pass through here, and everything that did is text, number, boolean or a list of them.
 */

import { address, count, fields, isObject, list, maybeCount, maybeText, root, text, textMap, texts } from './shape.js';
import type * as t from './types.js';

function guard(value: unknown): t.GuardReport | null {
  if (!isObject(value)) {
    return null;
  }
  const canaries = Object.entries(fields(value.canaries));
  return {
    level: text(value.level) || 'G0',
    layers: texts(value.layers),
    // Anything but a clear `true` counts as not blocked.
    canaries: Object.fromEntries(canaries.map(([name, blocked]) => [name, blocked === true])),
    outside: textMap(value.outside),
    missing: texts(value.missing)
  };
}

function user(value: unknown): t.User | null {
  if (!isObject(value)) {
    return null;
  }
  const name = text(value.name);
  return {
    name,
    display_name: text(value.display_name) || name,
    roles: texts(value.roles),
    mfa_at: maybeCount(value.mfa_at)
  };
}

export function session(value: unknown): t.Session {
  const from = root(value);
  const kernel = isObject(from.kernel)
    ? {
        id: text(from.kernel.id),
        guard: guard(from.kernel.guard),
        granted: from.kernel.granted !== false,
        network: text(from.kernel.network)
      }
    : null;
  const vault = from.vault === 'unlocked' || from.vault === 'locked' ? from.vault : 'down';
  return { user: user(from.user), vault, kernel, notebook: maybeText(from.notebook) };
}

export function vaultState(value: unknown): t.VaultState {
  return session(value).vault;
}

export function offers(value: unknown): t.Offer[] {
  return list(root(value).offers, offer => ({
    dataset: text(offer.dataset),
    version: count(offer.version),
    rows: maybeCount(offer.rows),
    rungs: texts(offer.rungs),
    columns: list(offer.columns, column => ({
      name: text(column.name),
      type: text(column.type),
      tag: maybeText(column.tag),
      treatment: maybeText(column.treatment),
      reason: text(column.reason),
      form: text(column.form)
    })),
    purposes: texts(offer.purposes),
    check: text(offer.check)
  }));
}

function header(value: unknown): t.Header {
  const from = fields(value);
  return {
    time: count(from.time),
    kind: text(from.kind),
    outcome: text(from.outcome),
    request: maybeText(from.request),
    reference: maybeCount(from.reference),
    dataset: maybeText(from.dataset),
    version: maybeCount(from.version),
    rung: maybeText(from.rung),
    columns: texts(from.columns),
    rows: maybeCount(from.rows),
    guard: maybeText(from.guard),
    error: maybeText(from.error),
    cost: maybeText(from.cost),
    preview: textMap(from.extra).preview === 'yes'
  };
}

function personal(value: unknown): t.Personal | null {
  if (!isObject(value)) {
    return null;
  }
  return {
    user: maybeText(value.user),
    notebook: maybeText(value.notebook),
    purpose: maybeText(value.purpose),
    note: maybeText(value.note)
  };
}

export function logPage(value: unknown): t.LogPage {
  const from = root(value);
  const entries = list(from.entries, entry => ({
    seq: count(entry.seq),
    header: header(entry.header),
    personal: personal(entry.personal)
  }));
  return { entries: entries.sort((a, b) => b.seq - a.seq), checkpoint: text(from.checkpoint) };
}

/** Edges whose ends are not both among the nodes are dropped: they cannot be drawn. */
export function graph(value: unknown): t.Graph {
  const from = fields(root(value).graph);
  const nodes = list(from.nodes, node => ({
    id: text(node.id),
    kind: text(node.kind),
    label: text(node.label) || text(node.id),
    detail: textMap(node.detail)
  }));
  const known = new Set(nodes.map(node => node.id));
  const edges = list(from.edges, edge => ({
    source: text(edge.source),
    target: text(edge.target),
    // Only a clear word of the broker counts as attested.
    assertion: edge.assertion === 'attested' ? 'attested' : 'reported',
    time: count(edge.time),
    seq: maybeCount(edge.seq)
  }));
  return { nodes, edges: edges.filter(edge => known.has(edge.source) && known.has(edge.target)) };
}

export function budget(value: unknown): t.Budget {
  const from = root(value);
  const gauges = list(from.gauges, gauge => ({
    dataset: text(gauge.dataset),
    scope: text(gauge.scope),
    cap: text(gauge.cap),
    spent: maybeText(gauge.spent),
    remaining: maybeText(gauge.remaining),
    delta: text(gauge.delta),
    renewed: count(gauge.renewed)
  }));
  const history = list(from.history, spent => ({
    time: count(spent.time),
    dataset: text(spent.dataset),
    columns: texts(spent.columns),
    cost: text(spent.cost),
    user: maybeText(spent.user),
    notebook: maybeText(spent.notebook),
    seq: count(spent.seq)
  }));
  return { gauges, history };
}

function treatment(value: unknown): t.Treatment | null {
  if (!isObject(value)) {
    return null;
  }
  const { method, ...parameters } = value;
  return { method: text(method), parameters: textMap(parameters) };
}

export function why(value: unknown): t.Why {
  const from = root(value);
  return {
    dataset: text(from.dataset),
    rung: text(from.rung),
    reasons: list(from.reasons, reason => ({
      column: text(reason.column),
      tag: maybeText(reason.tag),
      treatment: treatment(reason.treatment),
      rule: maybeText(reason.rule),
      sentence: text(reason.sentence),
      advice: text(reason.advice)
    })),
    near_misses: list(from.near_misses, miss => ({
      rule: text(miss.rule),
      rung: text(miss.rung),
      condition: text(miss.condition),
      advice: text(miss.advice)
    })),
    policy: text(from.policy)
  };
}

export function mfa(value: unknown): t.Mfa {
  const from = root(value);
  return {
    totp: from.totp === true,
    passkeys: list(from.passkeys, passkey => ({
      id: text(passkey.id),
      label: text(passkey.label),
      created: count(passkey.created)
    })),
    recovery_left: count(from.recovery_left),
    mfa_at: maybeCount(from.mfa_at),
    locked_until: maybeCount(from.locked_until),
    pending: list(from.pending, item => ({
      challenge: text(item.challenge),
      dataset: text(item.dataset),
      rung: text(item.rung),
      columns: Array.isArray(item.columns) ? texts(item.columns) : null,
      purpose: maybeText(item.purpose),
      notebook: text(item.notebook),
      expires: count(item.expires)
    })),
    recovery: texts(from.recovery),
    provider: address(from.provider)
  };
}

export function mfaSecret(value: unknown): t.MfaSecret {
  const from = root(value);
  return { secret: text(from.secret), qr: texts(from.qr) };
}

export function mfaOptions(value: unknown): t.MfaOptions {
  const from = root(value);
  return { challenge: text(from.challenge), options: text(from.options) };
}

/** Read an error answer, or null if it is not one of ours. */
export function fault(value: unknown): t.Fault | null {
  const from = fields(value);
  return text(from.code) && text(from.public) ? { code: text(from.code), public: text(from.public) } : null;
}
