/** The form that opens the vault. The passphrase lives in the field alone and leaves it with the one request. */

import { errorIcon, lockIcon } from '@jupyterlab/ui-components';
import { type FormEvent, type JSX, useId, useRef, useState } from 'react';

import type { Fault } from '../types.js';
import { Message } from './section.js';
import { Sentence } from './sentence.js';

export function Unlock({ unlock }: { unlock: (passphrase: string) => Promise<Fault | null> }): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const [fault, setFault] = useState<Fault | null>(null);
  const [busy, setBusy] = useState(false);
  const id = useId();

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const passphrase = field.current?.value ?? '';
    if (busy || passphrase === '') {
      field.current?.focus();
      return;
    }
    setBusy(true);
    setFault(null);
    const wrong = await unlock(passphrase);
    setFault(wrong);
    setBusy(false);
    if (field.current) {
      field.current.value = '';
      field.current.focus();
    }
  };

  return (
    <form className="jp-Secure-unlock" onSubmit={event => void submit(event)} aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`} className="jp-Secure-strong">
        <lockIcon.react tag="span" className="jp-Secure-icon" /> The vault is locked
      </h2>
      <p className="jp-Secure-quiet">Nothing can be loaded until somebody types its passphrase.</p>
      <label htmlFor={id}>Passphrase</label>
      <div className="jp-Secure-row">
        <input
          id={id}
          ref={field}
          type="password"
          className="jp-mod-styled"
          autoComplete="off"
          aria-invalid={fault !== null}
          aria-describedby={fault ? `${id}-fault` : undefined}
        />
        <button type="submit" className="jp-Button jp-mod-styled jp-mod-accept" aria-disabled={busy}>
          {busy ? 'Unlocking…' : 'Unlock'}
        </button>
      </div>
      {fault && (
        <div id={`${id}-fault`}>
          <Message icon={errorIcon} kind="error">
            <Sentence text={fault.public} />
          </Message>
        </div>
      )}
    </form>
  );
}
