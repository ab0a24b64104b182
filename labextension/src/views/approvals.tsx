/** What others ask for, for whom decides: who, what, why and how long; approve, deny, revoke. */

import { type FormEvent, type JSX, useId, useRef, useState } from 'react';

import { type AccessRequest, isOpen, type Requests, standingText, whatText } from '../access.js';
import { fullTime, plural, shortTime } from '../format.js';
import type { Fault } from '../types.js';
import { type Act, Wrong } from './requests.js';
import { Hint } from './section.js';

interface OneProps {
  request: AccessRequest;
  stale: boolean;
  act: Act;
}

function Facts({ request }: { request: AccessRequest }): JSX.Element {
  return (
    <>
      <div>
        <bdi className="jp-Secure-strong">{request.user}</bdi> asks for {whatText(request)}, for{' '}
        {plural(request.days, 'day')}
      </div>
      <p className="jp-Secure-quiet" title={`Asked ${fullTime(request.asked)}; rules: ${request.rules.join(', ')}`}>
        “<bdi>{request.reason}</bdi>”
      </p>
    </>
  );
}

function Open({ request, stale, act }: OneProps): JSX.Element {
  const [fault, setFault] = useState<Fault | null>(null);
  const [busy, setBusy] = useState(false);
  const days = useRef<HTMLInputElement>(null);
  const note = useRef<HTMLInputElement>(null);
  const id = useId();

  const decide = async (approve: boolean): Promise<void> => {
    if (busy) {
      return;
    }
    setBusy(true);
    const length = approve ? Number(days.current?.value) : null;
    const wrong = await act(api => api.decide(request.id, approve, length, note.current?.value.trim() ?? ''));
    setFault(wrong);
    setBusy(false);
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void decide(true);
  };

  return (
    <li className="jp-Secure-request">
      <form className="jp-Secure-form" onSubmit={submit} aria-labelledby={id}>
        <div id={id}>
          <Facts request={request} />
        </div>
        {stale && <Hint>The rule has changed since, so this can only be denied.</Hint>}
        <label>
          Days
          <input
            ref={days}
            type="number"
            className="jp-mod-styled"
            required
            min={1}
            max={366}
            defaultValue={request.days}
          />
        </label>
        <label>
          Note
          <input ref={note} className="jp-mod-styled" maxLength={500} autoComplete="off" />
        </label>
        <Wrong fault={fault} />
        <div className="jp-Secure-buttons">
          <button type="submit" className="jp-Button jp-mod-styled jp-mod-accept" aria-disabled={busy || stale}>
            Approve
          </button>
          <button
            type="button"
            className="jp-Button jp-mod-styled jp-mod-warn"
            aria-disabled={busy}
            onClick={() => void decide(false)}
          >
            Deny
          </button>
        </div>
      </form>
    </li>
  );
}

function Decided({ request, stale, act }: OneProps): JSX.Element {
  const [fault, setFault] = useState<Fault | null>(null);
  const revoke = async (): Promise<void> => setFault(await act(api => api.revoke(request.id, '')));
  return (
    <li className="jp-Secure-request">
      <div>
        <bdi className="jp-Secure-strong">{request.user}</bdi>: {whatText(request)}{' '}
        <span className={`jp-Secure-chip jp-mod-${request.state}`}>{request.state}</span>
      </div>
      <div className="jp-Secure-quiet" title={request.reason}>
        {standingText(request, stale, time => shortTime(time, Date.now()))}
      </div>
      {request.state === 'approved' && (
        <button type="button" className="jp-Secure-link" onClick={() => void revoke()}>
          Revoke<span className="jp-Secure-hidden"> {`${request.user}'s access to ${whatText(request)}`}</span>
        </button>
      )}
      <Wrong fault={fault} />
    </li>
  );
}

export function Approvals({ requests, act }: { requests: Requests; act: Act }): JSX.Element {
  const waiting = requests.others.filter(isOpen);
  const decided = requests.others.filter(request => !isOpen(request));
  const stale = (request: AccessRequest): boolean => requests.stale.includes(request.id);
  return (
    <>
      {waiting.length === 0 ? (
        <Hint>Nobody waits for a decision of yours.</Hint>
      ) : (
        <ul className="jp-Secure-requests" aria-label="Waiting for a decision">
          {waiting.map(request => (
            <Open key={request.id} request={request} stale={stale(request)} act={act} />
          ))}
        </ul>
      )}
      {decided.length > 0 && (
        <details className="jp-Secure-details" open={decided.some(request => request.state === 'approved')}>
          <summary>{plural(decided.length, 'request')} decided</summary>
          <ul className="jp-Secure-requests" aria-label="Decided">
            {decided.map(request => (
              <Decided key={request.id} request={request} stale={stale(request)} act={act} />
            ))}
          </ul>
        </details>
      )}
    </>
  );
}
