/** Why a column comes out as it does: the rule, the reason, what one can do, and what would have given more. */

import { errorIcon } from '@jupyterlab/ui-components';
import { type JSX, useEffect, useState } from 'react';

import { treatmentText } from '../format.js';
import { faultOf } from '../state.js';
import type { ColumnReason, Fault, NearMiss, Why } from '../types.js';
import { AskButton } from './requests.js';
import { Hint, Message } from './section.js';
import { Sentence } from './sentence.js';

function Reason({ reason }: { reason: ColumnReason }): JSX.Element {
  const domain = reason.treatment?.parameters.domain;
  return (
    <>
      <p>
        <Sentence text={reason.sentence} />
      </p>
      <dl className="jp-Secure-facts">
        <dt>Treatment</dt>
        <dd>{treatmentText(reason.treatment?.method ?? null)}</dd>
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
  column: string;
  /** Asks; a new function means that an earlier answer is stale. */
  ask: (column: string) => Promise<Why>;
}

export function WhyColumn({ column, ask }: WhyProps): JSX.Element {
  const [answer, setAnswer] = useState<Why | null>(null);
  const [fault, setFault] = useState<Fault | null>(null);

  useEffect(() => {
    let current = true;
    ask(column).then(
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
  }, [column, ask]);

  if (fault) {
    return (
      <Message icon={errorIcon} kind="warn">
        <Sentence text={fault.public} />
      </Message>
    );
  }
  const reason = answer?.reasons.find(item => item.column === column);
  if (!answer) {
    return <Hint>Asking the broker…</Hint>;
  }
  return (
    <>
      {reason ? <Reason reason={reason} /> : <Hint>The broker gave no reason for this column.</Hint>}
      {answer.check && <Hint>{answer.check}</Hint>}
      {answer.near_misses.length > 0 && <NearMisses dataset={answer.dataset} misses={answer.near_misses} />}
    </>
  );
}
