/** Second factors: requests that wait for one, and what a person has, adds and removes. */

import { errorIcon, infoIcon } from '@jupyterlab/ui-components';
import { type FormEvent, type JSX, useId, useRef, useState } from 'react';

import {
  type Change,
  changeText,
  factorsText,
  hasFactor,
  type MfaTalk,
  passkeyHint,
  pendingText,
  providerPage,
  qrPath
} from '../mfa.js';
import { faultOf } from '../state.js';
import type { Fault, Mfa, MfaSecret, PendingStepUp } from '../types.js';
import { Hint, Message } from './section.js';
import { Sentence } from './sentence.js';

interface Talk {
  talk: MfaTalk;
  mfa: Mfa;
  /** Told whatever the broker answers. */
  told: (mfa: Mfa) => void;
}

const QUIET_ZONE = 4; // modules of white around a QR code, ISO/IEC 18004

const hint = (): string | null => passkeyHint(window.location, 'PublicKeyCredential' in window);

/** Run one conversation at a time and keep what went wrong. */
function useTask(): { busy: boolean; fault: Fault | null; run: (task: () => Promise<void>) => void } {
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState<Fault | null>(null);
  const attempt = async (task: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setFault(null);
    try {
      await task();
    } catch (error) {
      setFault(faultOf(error));
    }
    setBusy(false);
  };
  return { busy, fault, run: task => void (busy ? undefined : attempt(task)) };
}

function Wrong({ fault }: { fault: Fault | null }): JSX.Element | null {
  return (
    fault && (
      <Message icon={errorIcon} kind="error">
        <Sentence text={fault.public} />
      </Message>
    )
  );
}

/** A field for a code. What is typed leaves it with the one request. */
function CodeForm(props: { label: string; action: string; busy: boolean; send: (code: string) => void }): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    const code = field.current?.value.trim() ?? '';
    if (field.current) {
      field.current.value = '';
      field.current.focus();
    }
    if (code !== '') {
      props.send(code);
    }
  };
  return (
    <form onSubmit={submit}>
      <label htmlFor={id}>{props.label}</label>
      <div className="jp-Secure-row">
        <input id={id} ref={field} className="jp-mod-styled" autoComplete="one-time-code" spellCheck={false} />
        <button type="submit" className="jp-Button jp-mod-styled jp-mod-accept" aria-disabled={props.busy}>
          {props.action}
        </button>
      </div>
    </form>
  );
}

function Proof({ talk, mfa, challenge, done }: Talk & { challenge: string; done: (mfa: Mfa) => void }): JSX.Element {
  const { busy, fault, run } = useTask();
  return (
    <>
      <CodeForm
        label="Code of your app, or a recovery code"
        action="Verify"
        busy={busy}
        send={code => run(async () => done(await talk.proveByCode(challenge, code)))}
      />
      {mfa.passkeys.length > 0 && hint() === null && (
        <button
          type="button"
          className="jp-Button jp-mod-styled"
          aria-disabled={busy}
          onClick={() => run(async () => done(await talk.proveByPasskey(challenge)))}
        >
          Use a passkey
        </button>
      )}
      <Wrong fault={fault} />
    </>
  );
}

/** The way through the organisation's identity provider, in a page of its own; the panel hears of it by itself. */
function ProviderLink({ mfa, challenge }: { mfa: Mfa; challenge: string }): JSX.Element | null {
  const page = providerPage(mfa, challenge);
  return page === null ? null : (
    <p>
      <a className="jp-Secure-link" href={page} target="_blank" rel="noopener noreferrer">
        Verify with your identity provider
      </a>
    </p>
  );
}

/** A cell waits for this. */
function Pending({ item, ...props }: Talk & { item: PendingStepUp }): JSX.Element {
  return (
    <section className="jp-Secure-unlock" aria-label={`Verify ${pendingText(item)}`}>
      <h2>Verify: {pendingText(item)}</h2>
      <p className="jp-Secure-quiet">{item.notebook} asks for this. Your proof permits this request.</p>
      <ProviderLink mfa={props.mfa} challenge={item.challenge} />
      {hasFactor(props.mfa) && <Proof {...props} challenge={item.challenge} done={props.told} />}
      {!hasFactor(props.mfa) && props.mfa.provider === null && (
        <Hint>You have no second factor yet. Add one under “Second factor” below, then verify here.</Hint>
      )}
    </section>
  );
}

export function StepUps(props: Talk): JSX.Element {
  return (
    <>
      {props.mfa.pending.map(item => (
        <Pending key={item.challenge} item={item} {...props} />
      ))}
    </>
  );
}

function NewApp({ talk, secret, done }: Talk & { secret: MfaSecret; done: (mfa: Mfa) => void }): JSX.Element {
  const { busy, fault, run } = useTask();
  const path = qrPath(secret.qr);
  const size = secret.qr.length + 2 * QUIET_ZONE;
  return (
    <>
      <p>Scan this with an authenticator app, or type the secret into it.</p>
      {path !== '' && (
        <svg
          className="jp-Secure-qr"
          viewBox={`${-QUIET_ZONE} ${-QUIET_ZONE} ${size} ${size}`}
          role="img"
          aria-label="QR code of the secret below"
          shapeRendering="crispEdges"
        >
          <rect x={-QUIET_ZONE} y={-QUIET_ZONE} width={size} height={size} fill="#fff" />
          <path d={path} fill="#000" />
        </svg>
      )}
      <p>
        Secret: <code className="jp-Secure-secret">{secret.secret}</code>
      </p>
      <CodeForm
        label="The code that the app shows now"
        action="Confirm"
        busy={busy}
        send={code => run(async () => done(await talk.confirm(code)))}
      />
      <Wrong fault={fault} />
    </>
  );
}

function Codes({ codes, close }: { codes: string[]; close: () => void }): JSX.Element {
  return (
    <>
      <Message icon={infoIcon} kind="warn">
        These recovery codes are shown this once. Each is good one time. Keep them where your phone is not.
      </Message>
      <ol className="jp-Secure-codes" aria-label="Recovery codes">
        {codes.map(code => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ol>
      <button type="button" className="jp-Button jp-mod-styled jp-mod-accept" onClick={close}>
        I have kept them
      </button>
    </>
  );
}

type Step =
  | { at: 'list' }
  | { at: 'prove'; change: Change; challenge: string }
  | { at: 'app'; secret: MfaSecret }
  | { at: 'codes'; codes: string[] };

/** What a person has, and the way to change it: choose, prove a factor, do it, keep the codes. */
export function SecondFactor(props: Talk & { steward: boolean }): JSX.Element {
  const { talk, mfa, told, steward } = props;
  const [step, setStep] = useState<Step>({ at: 'list' });
  const { busy, fault, run } = useTask();

  const settle = (state: Mfa): void => {
    told(state);
    setStep(state.recovery.length > 0 ? { at: 'codes', codes: state.recovery } : { at: 'list' });
  };
  const act = async (change: Change, challenge: string | null): Promise<void> => {
    switch (change.kind) {
      case 'verify':
        return setStep({ at: 'list' });
      case 'totp':
        return setStep({ at: 'app', secret: await talk.secret(challenge) });
      case 'passkey':
        return settle(await talk.addPasskey(challenge, `added ${new Date().toLocaleDateString()}`));
      case 'codes':
        return settle(await talk.newCodes(challenge));
      case 'remove':
        return settle(await talk.remove(challenge, change.factor));
      case 'reset':
        return settle(await talk.reset(challenge, change.user));
    }
  };
  const begin = (change: Change): void =>
    run(async () => {
      const challenge = await talk.challenge(mfa, change);
      await (challenge === null ? act(change, null) : setStep({ at: 'prove', change, challenge }));
    });
  const proved = (change: Change, challenge: string, state: Mfa): void => {
    told(state);
    setStep({ at: 'list' });
    run(() => act(change, challenge));
  };

  return (
    <details className="jp-Secure-details">
      <summary>
        <span>
          Second factor: <strong>{factorsText(mfa)}</strong>
        </span>
      </summary>
      <div className="jp-Secure-inset">
        {mfa.locked_until !== null && (
          <Message icon={errorIcon} kind="warn">
            Too many wrong codes: nothing is looked at before {new Date(mfa.locked_until).toLocaleTimeString()}.
          </Message>
        )}
        {step.at === 'list' && <Choices mfa={mfa} busy={busy} begin={begin} steward={steward} />}
        {step.at === 'prove' && (
          <>
            <p className="jp-Secure-strong">{changeText(step.change)}: prove a factor that you have.</p>
            {step.change.kind === 'verify' && <ProviderLink mfa={mfa} challenge={step.challenge} />}
            {hasFactor(mfa) && (
              <Proof {...props} challenge={step.challenge} done={state => proved(step.change, step.challenge, state)} />
            )}
          </>
        )}
        {step.at === 'app' && <NewApp {...props} secret={step.secret} done={settle} />}
        {step.at === 'codes' && <Codes codes={step.codes} close={() => setStep({ at: 'list' })} />}
        {(step.at === 'prove' || step.at === 'app') && (
          <button type="button" className="jp-Button jp-mod-styled" onClick={() => setStep({ at: 'list' })}>
            Cancel
          </button>
        )}
        <Wrong fault={fault} />
      </div>
    </details>
  );
}

function Choices(props: { mfa: Mfa; busy: boolean; steward: boolean; begin: (change: Change) => void }): JSX.Element {
  const { mfa, busy, begin } = props;
  const nowhere = hint();
  const has = hasFactor(mfa);
  const removals: Change[] = [
    ...(mfa.totp ? [{ kind: 'remove' as const, factor: 'totp', label: 'the app' }] : []),
    ...mfa.passkeys.map(({ id, label }) => ({ kind: 'remove' as const, factor: id, label: `the passkey “${label}”` }))
  ];
  const offered: Change[] = [
    ...(has || mfa.provider !== null ? [{ kind: 'verify' as const }] : []),
    { kind: 'totp', again: mfa.totp },
    ...(nowhere === null ? [{ kind: 'passkey' as const }] : []),
    ...(has ? [{ kind: 'codes' as const }] : []),
    ...removals
  ];
  return (
    <>
      <ul className="jp-Secure-choices">
        {offered.map(change => (
          <li key={changeText(change)}>
            <button
              type="button"
              className="jp-Button jp-mod-styled"
              aria-disabled={busy}
              onClick={() => begin(change)}
            >
              {changeText(change)}
            </button>
          </li>
        ))}
      </ul>
      {nowhere !== null && (
        <Hint>
          <Sentence text={nowhere} />
        </Hint>
      )}
      {props.steward && (
        <CodeForm
          label="Reset the factors of (name)"
          action="Reset"
          busy={busy}
          send={user => begin({ kind: 'reset', user })}
        />
      )}
    </>
  );
}
