/** Who I am, and how confined the kernel in front is. */

import { checkIcon, closeIcon, errorIcon, infoIcon, userIcon } from '@jupyterlab/ui-components';
import type { JSX } from 'react';

import { mfaText } from '../format.js';
import { isWeak, levelText, sentences } from '../guard.js';
import { shieldIcon } from '../icons.js';
import type { GuardReport, Session, User } from '../types.js';
import { Hint, Message } from './section.js';
import { Sentence } from './sentence.js';

function Person({ user }: { user: User }): JSX.Element {
  return (
    <div className="jp-Secure-person">
      <userIcon.react tag="span" className="jp-Secure-avatar" />
      <div>
        <div className="jp-Secure-strong">{user.display_name}</div>
        <div className="jp-Secure-quiet">{user.name}</div>
      </div>
    </div>
  );
}

function Phrases(props: { title: string; phrases: string[]; blocked: boolean }): JSX.Element | null {
  const Icon = props.blocked ? checkIcon : errorIcon;
  if (props.phrases.length === 0) {
    return null;
  }
  return (
    <>
      <h3 className="jp-Secure-subtitle">{props.title}</h3>
      <ul className="jp-Secure-phrases">
        {props.phrases.map(phrase => (
          <li key={phrase}>
            <Icon.react tag="span" className={`jp-Secure-icon jp-mod-${props.blocked ? 'good' : 'bad'}`} />
            <span>{phrase}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function Guard({ report }: { report: GuardReport }): JSX.Element {
  const { can, cannot } = sentences(report);
  return (
    <details className="jp-Secure-details">
      <summary>
        <shieldIcon.react tag="span" className={`jp-Secure-icon ${isWeak(report.level) ? 'jp-mod-bad' : ''}`} />
        <span>
          Guard <strong>{report.level}</strong>: {levelText(report.level)}
        </span>
      </summary>
      <div className="jp-Secure-inset">
        <Phrases title="Code in this notebook cannot" phrases={cannot} blocked={true} />
        <Phrases title="Code in this notebook can" phrases={can} blocked={false} />
        {can.length + cannot.length === 0 && <Hint>Nothing was measured for this kernel.</Hint>}
        {report.missing.length > 0 && (
          <>
            <h3 className="jp-Secure-subtitle">Not enforced here</h3>
            <ul className="jp-Secure-phrases">
              {report.missing.map(sentence => (
                <li key={sentence}>
                  <infoIcon.react tag="span" className="jp-Secure-icon" />
                  <span>
                    <Sentence text={sentence} />
                  </span>
                </li>
              ))}
            </ul>
          </>
        )}
        {report.layers.length > 0 && <p className="jp-Secure-quiet">Layers in force: {report.layers.join(', ')}.</p>}
      </div>
    </details>
  );
}

function Kernel({ session, path }: { session: Session; path: string | null }): JSX.Element {
  if (path === null) {
    return <Hint>No notebook is in front.</Hint>;
  }
  if (!session.kernel) {
    return <Hint>This notebook has no kernel. Start one to load data.</Hint>;
  }
  if (!session.kernel.guard) {
    return (
      <Message icon={closeIcon} kind="warn">
        This kernel was not started by the guard, so it holds no grant and gets no data. Restart it.
      </Message>
    );
  }
  return (
    <>
      <Guard report={session.kernel.guard} />
      {session.kernel.network && (
        <p className="jp-Secure-quiet">
          <Sentence text={session.kernel.network} />
        </p>
      )}
      {!session.kernel.granted && <Hint>The broker has not admitted this kernel yet, so it gets no data.</Hint>}
    </>
  );
}

export function Identity({ session, path }: { session: Session; path: string | null }): JSX.Element {
  const { user } = session;
  return (
    <>
      {user ? <Person user={user} /> : <Hint>The broker does not know you. Log in again.</Hint>}
      {user && (
        <dl className="jp-Secure-facts">
          <dt>Roles</dt>
          <dd>
            {user.roles.length === 0
              ? 'none'
              : user.roles.map(role => (
                  <span key={role} className="jp-Secure-chip">
                    {role}
                  </span>
                ))}
          </dd>
          <dt>
            <abbr title="Multi-factor authentication">MFA</abbr>
          </dt>
          <dd>{mfaText(user.mfa_at, Date.now())}</dd>
        </dl>
      )}
      <Kernel session={session} path={path} />
    </>
  );
}
