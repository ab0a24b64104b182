/** Asking for access: the form, buttons that open it, what I asked for, and texts of purposes to acknowledge. */

import { errorIcon, HTMLSelect, infoIcon } from '@jupyterlab/ui-components';
import { createContext, type FormEvent, type JSX, useContext, useEffect, useId, useRef, useState } from 'react';

import {
  type AccessApi,
  type AccessOffer,
  type AccessRequest,
  NOTHING,
  offersFor,
  type Purpose,
  type Requests,
  standingText,
  whatText
} from '../access.js';
import { fullTime, shortTime } from '../format.js';
import type { Part } from '../state.js';
import type { Fault } from '../types.js';
import { Answer, Hint, Message } from './section.js';
import { Sentence } from './sentence.js';

/** Does something at the server; gives what went wrong, or null. */
export type Act = (step: (api: AccessApi) => Promise<void>) => Promise<Fault | null>;

/** What the form is opened for; a new object opens it anew. */
export interface Draft {
  dataset: string;
  rung: string | null;
}

interface Asking {
  requests: Requests;
  open: (draft: Draft) => void;
}

export const AskingContext = createContext<Asking>({ requests: NOTHING, open: () => undefined });

/** Opens the form, where there is something to ask for. */
export function AskButton({ dataset, rung = null }: { dataset: string; rung?: string | null }): JSX.Element | null {
  const { requests, open } = useContext(AskingContext);
  if (offersFor(requests, dataset, rung).length === 0) {
    return null;
  }
  return (
    <button type="button" className="jp-Secure-link jp-Secure-ask" onClick={() => open({ dataset, rung })}>
      Request access<span className="jp-Secure-hidden"> to {dataset}</span>
    </button>
  );
}

export function Wrong({ fault }: { fault: Fault | null }): JSX.Element | null {
  return (
    fault && (
      <Message icon={errorIcon} kind="error">
        <Sentence text={fault.public} />
      </Message>
    )
  );
}

const key = (offer: AccessOffer): string => `${offer.dataset} as ${offer.rung}`;

interface FormProps {
  offers: AccessOffer[];
  draft: Draft;
  act: Act;
  close: () => void;
}

function Form({ offers, draft, act, close }: FormProps): JSX.Element {
  const first = offers.find(
    offer => offer.dataset === draft.dataset && (draft.rung === null || offer.rung === draft.rung)
  );
  const [chosen, choose] = useState(first && key(first));
  const [purpose, setPurpose] = useState('');
  const [fault, setFault] = useState<Fault | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const reason = useRef<HTMLInputElement>(null);
  const days = useRef<HTMLInputElement>(null);
  const id = useId();
  const offer = offers.find(one => key(one) === chosen) ?? offers[0];
  useEffect(() => {
    form.current?.scrollIntoView({ block: 'nearest' });
    reason.current?.focus();
  }, []);
  if (!offer) {
    return <Hint>There is nothing that you could ask for now.</Hint>;
  }
  const stated = offer.purposes.includes(purpose) ? purpose : (offer.purposes[0] ?? null);

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (busy) {
      return;
    }
    setBusy(true);
    const wish = {
      dataset: offer.dataset,
      rung: offer.rung,
      purpose: stated,
      reason: reason.current?.value.trim() ?? '',
      days: Number(days.current?.value)
    };
    const wrong = await act(api => api.request(wish));
    setBusy(false);
    setFault(wrong);
    if (wrong === null) {
      close();
    }
  };

  return (
    <form ref={form} className="jp-Secure-form" onSubmit={event => void submit(event)} aria-labelledby={`${id}-title`}>
      <h3 id={`${id}-title`}>Request access</h3>
      <label>
        What
        <HTMLSelect value={key(offer)} onChange={event => choose(event.target.value)}>
          {offers.map(one => (
            <option key={key(one)}>{key(one)}</option>
          ))}
        </HTMLSelect>
      </label>
      {offer.purposes.length > 0 && (
        <label>
          Purpose
          <HTMLSelect value={stated ?? ''} onChange={event => setPurpose(event.target.value)}>
            {offer.purposes.map(name => (
              <option key={name}>{name}</option>
            ))}
          </HTMLSelect>
        </label>
      )}
      <label>
        Reason
        <input ref={reason} className="jp-mod-styled" required maxLength={500} autoComplete="off" />
      </label>
      <label>
        Days
        <input
          ref={days}
          type="number"
          className="jp-mod-styled"
          required
          min={1}
          max={offer.max_days}
          defaultValue={Math.min(7, offer.max_days)}
        />
      </label>
      <Wrong fault={fault} />
      <div className="jp-Secure-buttons">
        <button type="submit" className="jp-Button jp-mod-styled jp-mod-accept" aria-disabled={busy}>
          Ask
        </button>
        <button type="button" className="jp-Button jp-mod-styled jp-mod-minimal" onClick={close}>
          Cancel
        </button>
      </div>
    </form>
  );
}

function Terms({ purpose, act }: { purpose: Purpose; act: Act }): JSX.Element {
  const [fault, setFault] = useState<Fault | null>(null);
  const acknowledge = async (): Promise<void> =>
    setFault(await act(api => api.acknowledge(purpose.name, purpose.digest)));
  return (
    <Message icon={infoIcon} kind="info">
      Purpose <strong>{purpose.name}</strong> counts once you acknowledge:
      <blockquote className="jp-Secure-terms">{purpose.acknowledge}</blockquote>
      <button type="button" className="jp-Button jp-mod-styled jp-mod-accept" onClick={() => void acknowledge()}>
        I acknowledge this<span className="jp-Secure-hidden"> for {purpose.name}</span>
      </button>
      <Wrong fault={fault} />
    </Message>
  );
}

function Mine({ request, stale, act }: { request: AccessRequest; stale: boolean; act: Act }): JSX.Element {
  const [fault, setFault] = useState<Fault | null>(null);
  const end = async (): Promise<void> => setFault(await act(api => api.revoke(request.id, '')));
  const endable = request.state === 'requested' ? 'Withdraw' : request.state === 'approved' ? 'Give back' : null;
  return (
    <li className="jp-Secure-request">
      <div>
        <span className="jp-Secure-strong">{whatText(request)}</span>{' '}
        <span className={`jp-Secure-chip jp-mod-${request.state}`}>{request.state}</span>
      </div>
      <div className="jp-Secure-quiet" title={`Asked ${fullTime(request.asked)}: ${request.reason}`}>
        {standingText(request, stale, time => shortTime(time, Date.now()))}
        {request.note && (
          <>
            : <bdi>{request.note}</bdi>
          </>
        )}
      </div>
      {endable && (
        <button type="button" className="jp-Secure-link" onClick={() => void end()}>
          {endable}
          <span className="jp-Secure-hidden"> {whatText(request)}</span>
        </button>
      )}
      <Wrong fault={fault} />
    </li>
  );
}

interface RequestsProps {
  part: Part<Requests>;
  draft: Draft | null;
  open: (draft: Draft | null) => void;
  act: Act;
}

export function MyRequests({ part, draft, open, act }: RequestsProps): JSX.Element {
  return (
    <Answer part={part} icon={infoIcon} isEmpty={() => false} empty="">
      {all => {
        const [first] = all.offers;
        return (
          <>
            {all.purposes
              .filter(purpose => purpose.acknowledge && !purpose.acknowledged)
              .map(purpose => (
                <Terms key={purpose.name} purpose={purpose} act={act} />
              ))}
            {draft && (
              <Form
                key={`${draft.dataset} ${draft.rung}`}
                offers={all.offers}
                draft={draft}
                act={act}
                close={() => open(null)}
              />
            )}
            {!draft && first && (
              <button
                type="button"
                className="jp-Button jp-mod-styled jp-mod-minimal"
                onClick={() => open({ dataset: first.dataset, rung: first.rung })}
              >
                Request access…
              </button>
            )}
            {all.mine.length === 0 ? (
              !draft && <Hint>You have asked for nothing{first ? ' yet' : '; no rule lets you ask for more'}.</Hint>
            ) : (
              <ul className="jp-Secure-requests" aria-label="My requests">
                {all.mine.map(request => (
                  <Mine key={request.id} request={request} stale={all.stale.includes(request.id)} act={act} />
                ))}
              </ul>
            )}
          </>
        );
      }}
    </Answer>
  );
}
