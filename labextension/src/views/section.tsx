/** The frame of every part of the panel: a heading that folds, a fault, an empty state, a mark of meaning. */

import { caretDownIcon, caretRightIcon, type LabIcon } from '@jupyterlab/ui-components';
import { type JSX, type ReactNode, useId, useState } from 'react';

import type { Part } from '../state.js';
import { Sentence } from './sentence.js';

interface SectionProps {
  title: string;
  /** A short word beside the title, such as a count. */
  badge?: string;
  /** Folded at first. */
  folded?: boolean;
  children: ReactNode;
}

export function Section({ title, badge, folded = false, children }: SectionProps): JSX.Element {
  const [open, setOpen] = useState(!folded);
  const id = useId();
  const Caret = open ? caretDownIcon : caretRightIcon;
  return (
    <section className="jp-Secure-section" aria-labelledby={`${id}-title`}>
      <h2 className="jp-Secure-title">
        <button type="button" aria-expanded={open} aria-controls={`${id}-body`} onClick={() => setOpen(!open)}>
          <Caret.react tag="span" className="jp-Secure-icon" />
          <span id={`${id}-title`}>{title}</span>
          {badge !== undefined && <span className="jp-Secure-badge">{badge}</span>}
        </button>
      </h2>
      <div id={`${id}-body`} className="jp-Secure-body" hidden={!open}>
        {children}
      </div>
    </section>
  );
}

export function Hint({ children }: { children: ReactNode }): JSX.Element {
  return <p className="jp-Secure-hint">{children}</p>;
}

/** A message with an icon, so that its weight does not hang on colour. */
export function Message(props: { icon: LabIcon; kind: 'info' | 'warn' | 'error'; children: ReactNode }): JSX.Element {
  const Icon = props.icon;
  return (
    <div className={`jp-Secure-message jp-mod-${props.kind}`} role={props.kind === 'error' ? 'alert' : undefined}>
      <Icon.react tag="span" className="jp-Secure-icon" />
      <div>{props.children}</div>
    </div>
  );
}

interface AnswerProps<T> {
  part: Part<T>;
  icon: LabIcon;
  isEmpty: (value: T) => boolean;
  empty: ReactNode;
  children: (value: T) => ReactNode;
}

/** Show a part: what went wrong, else that it is asked for, else that there is nothing, else the value. */
export function Answer<T>({ part, icon, isEmpty, empty, children }: AnswerProps<T>): JSX.Element {
  return (
    <>
      {part.fault && (
        <Message icon={icon} kind="warn">
          <Sentence text={part.fault.public} />
        </Message>
      )}
      {part.value === null
        ? !part.fault && <Hint>Asking the broker…</Hint>
        : isEmpty(part.value)
          ? !part.fault && <Hint>{empty}</Hint>
          : children(part.value)}
    </>
  );
}
