/** The relay's HTTP interface, asked with the rights of the logged-in user. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import { accessApi } from './access.js';
import * as parse from './parse.js';
import { type Api, ApiError } from './state.js';

const ROOT = 'jupyter_secure';

type Query = Record<string, string | number | null>;

/** Without `null`s, because an absent parameter says "any". */
function queryString(query: Query): string {
  const pairs = Object.entries(query).flatMap(([key, value]) => (value === null ? [] : [[key, String(value)]]));
  return pairs.length > 0 ? `?${new URLSearchParams(pairs).toString()}` : '';
}

/** What to say when the answer is not one of our own errors. */
function otherFault(status: number): ApiError {
  const sentences: Record<number, string> = {
    403: 'The Jupyter server does not permit this. Log in again, then reload the page.',
    404: 'The server part of jupyter-secure is not running. Start JupyterLab with `jupyter secure`.'
  };
  return new ApiError({
    code: `http-${status}`,
    public: sentences[status] ?? `The Jupyter server answered with error ${status}.`
  });
}

async function send(settings: ServerConnection.ISettings, url: string, init: RequestInit): Promise<unknown> {
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(url, init, settings);
  } catch {
    throw new ApiError({
      code: 'offline',
      public: 'The Jupyter server does not answer. It may have been stopped.'
    });
  }
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) {
    const fault = parse.fault(body);
    throw fault ? new ApiError(fault) : otherFault(response.status);
  }
  return body;
}

export function connect(settings: ServerConnection.ISettings): Api {
  const url = (name: string): string => URLExt.join(settings.baseUrl, ROOT, name);
  // Answers depend on who asks and on what happened a moment ago: never from a cache.
  const get = (name: string, query: Query): Promise<unknown> =>
    send(settings, url(name) + queryString(query), { method: 'GET', cache: 'no-store' });

  const post = (name: string, body: object): Promise<unknown> =>
    send(settings, url(name), { method: 'POST', body: JSON.stringify(body) });

  return {
    ...accessApi(name => get(name, {}), post),
    session: async path => parse.session(await get('session', { path })),
    datasets: async path => parse.offers(await get('datasets', { path })),
    log: async (path, limit, before) => parse.logPage(await get('log', { path, limit, before })),
    lineage: async path => parse.graph(await get('lineage', { path })),
    budget: async path => parse.budget(await get('budget', { path })),
    why: async (path, dataset, column) => parse.why(await get('why', { path, dataset, column })),
    mfa: async () => parse.mfa(await get('mfa', {})),
    mfaSend: message => send(settings, url('mfa'), { method: 'POST', body: JSON.stringify(message) }),
    unlock: async passphrase => {
      const body = JSON.stringify({ passphrase });
      return parse.vaultState(await send(settings, url('unlock'), { method: 'POST', body }));
    }
  };
}
