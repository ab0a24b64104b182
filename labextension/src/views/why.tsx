/** The card of a column: what it is, how it comes out and why, what one can do, and what would have given more. */

import { errorIcon } from '@jupyterlab/ui-components';
import { type JSX, useEffect, useState } from 'react';

import { tagText, treatmentText } from '../format.js';
import { faultOf } from '../state.js';
import type { ColumnOffer, ColumnReason, Fault, NearMiss, Why } from '../types.js';
import { AskButton } from './requests.js';
import { Hint, Message } from './section.js';
import { Sentence } from './sentence.js';

function Reason({ column, reason }: { column: ColumnOffer; reason: ColumnReason }): JSX.Element {
  const domain = reason.treatment?.parameters.domain;
  return (
    <>
      <p>
        <Sentence text={reason.sentence} />
      </p>
      <dl className="jp-Secure-facts">
        <dt>Type</dt>
        <dd>{column.type}</dd>
        <dt>Tag</dt>
        <dd>{tagText(reason.tag)}</dd>
        <dt>Treatment</dt>
        <dd>{treatmentText(reason.treatment?.method ?? null)}</dd>
        {column.form && (
          <>
            <dt>Made-up example</dt>
            <dd>{column.form}</dd>
          </>
        )}
        {domain && (
          <>
            <dt>Joins on</dt>
            <dd>{domain}</dd>
          </>
        )}
        <dt>Rule</dt>
        <dd>{reason.rule ?? 'none: what no rule permits is left out'}</dd>
      </dl>
      {reason.advice && (
        <p className="jp-Secure-advice">
          <Sentence text={reason.advice} />
        </p>
      )}
    </>
  );
}

function NearMisses({ dataset, misses }: { dataset: string; misses: NearMiss[] }): JSX.Element {
  return (
    <>
      <h4 className="jp-Secure-subtitle">Would permit more</h4>
      <ul className="jp-Secure-misses">
        {misses.map(miss => (
          <li key={miss.rule + miss.rung + miss.condition}>
            <span className="jp-Secure-chip">{miss.rung}</span> <code>{miss.rule}</code>, but{' '}
            <Sentence text={miss.condition.replace(/\.$/, '')} />.
            {miss.advice && (
              <span className="jp-Secure-advice">
                {' '}
                <Sentence text={miss.advice} />
              </span>
            )}
            {miss.condition === 'approval' && <AskButton dataset={dataset} rung={miss.rung} />}
          </li>
        ))}
      </ul>
    </>
  );
}

interface WhyProps {
  column: ColumnOffer;
  /** Asks; a new function means that an earlier answer is stale. */
  ask: (column: string) => Promise<Why>;
}

export function WhyColumn({ column, ask }: WhyProps): JSX.Element {
  const [answer, setAnswer] = useState<Why | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);

  useEffect(() => {
    let current = true;
    ask(column.name).then(
      why => {
        if (current) {
          setAnswer(why);
          setFault(null);
        }
      },
      (error: unknown) => current && setFault(faultOf(error))
    );
    return () => {
      current = false;
    };
  }, [column.name, ask]);

  if (fault) {
    return (
      <Message icon={errorIcon} kind="warn">
        <Sentence text={fault.public} />
      </Message>
    );
  }
  const reason = answer?.reasons.find(item => item.column === column.name);
  if (!answer) {
    return <Hint>Asking the broker…</Hint>;
  }
  return (
    <>
      {reason ? <Reason column={column} reason={reason} /> : <Hint>The broker gave no reason for this column.</Hint>}
      {answer.near_misses.length > 0 && <NearMisses dataset={answer.dataset} misses={answer.near_misses} />}
    </>
  );
}
