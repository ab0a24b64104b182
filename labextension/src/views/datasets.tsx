/** What may be used here, and as what. */

import { addBelowIcon, HTMLSelect, infoIcon, lockIcon } from '@jupyterlab/ui-components';
import { type JSX, useId, useState } from 'react';

import { offerSummary, plural, rowsText, rungText } from '../format.js';
import { loadMagic } from '../magic.js';
import type { Part } from '../state.js';
import type { Offer, Why } from '../types.js';
import { Columns } from './columns.js';
import { AskButton } from './requests.js';
import { Answer, Message } from './section.js';
import { Sentence } from './sentence.js';

// A longer list of columns starts folded, so that the access log stays in sight.
const UNFOLDED = 8;

type Ask = (dataset: string, column: string) => Promise<Why>;

interface InsertProps {
  offer: Offer;
  insert: (source: string) => void;
}

interface ChoiceProps {
  label: string;
  none: string;
  options: string[];
  value: string;
  choose: (value: string) => void;
}

function Choice({ label, none, options, value, choose }: ChoiceProps): JSX.Element {
  return (
    <label className="jp-Secure-choice">
      {label}
      <HTMLSelect value={value} onChange={event => choose(event.target.value)}>
        <option value="">{none}</option>
        {options.map(option => (
          <option key={option}>{option}</option>
        ))}
      </HTMLSelect>
    </label>
  );
}

function Insert({ offer, insert }: InsertProps): JSX.Element | null {
  const [rung, setRung] = useState('');
  // One purpose only is a likely answer; of several the person says which.
  const [purpose, setPurpose] = useState(offer.purposes.length === 1 ? (offer.purposes[0] ?? '') : '');
  const [highest, ...lower] = offer.rungs;
  // Whoever may ask private questions may have rows drawn from the answer to one.
  const others = offer.rungs.includes('dp') ? [...lower, 'synthetic'] : lower;
  // What was chosen earlier may no longer be permitted.
  const source = loadMagic(
    offer.dataset,
    others.includes(rung) ? rung : null,
    offer.purposes.includes(purpose) ? purpose : null
  );
  if (source === null || highest === undefined) {
    return null;
  }
  return (
    <div className="jp-Secure-insert">
      {others.length > 0 && <Choice label="As" none={highest} options={others} value={rung} choose={setRung} />}
      {offer.purposes.length > 0 && (
        <Choice label="Purpose" none="none named" options={offer.purposes} value={purpose} choose={setPurpose} />
      )}
      <button
        type="button"
        className="jp-Button jp-mod-styled jp-mod-minimal jp-Secure-insertButton"
        title="Insert this cell below the active one"
        onClick={() => insert(source)}
      >
        <addBelowIcon.react tag="span" className="jp-Secure-icon" />
        <span className="jp-Secure-hidden">Insert </span>
        <code>{source}</code>
      </button>
    </div>
  );
}

/** A rule speaks for the person, but something that it asks for is missing. */
function NotNow({ offer }: { offer: Offer }): JSX.Element {
  const reasons = [...new Set(offer.columns.map(column => column.reason))].filter(Boolean);
  return (
    <Message icon={lockIcon} kind="info">
      Not permitted now. <Sentence text={(reasons.length === 1 && reasons[0]) || 'The columns below say why.'} />
    </Message>
  );
}

function Dataset({ offer, insert, ask, open }: InsertProps & { ask: Ask; open: boolean }): JSX.Element {
  const id = useId();
  return (
    <article className="jp-Secure-dataset" aria-labelledby={id}>
      <div className="jp-Secure-datasetHead">
        <h3 id={id}>{offer.dataset}</h3>
        <span className="jp-Secure-quiet">
          version {offer.version}, {rowsText(offer.rows)}
        </span>
        <ul className="jp-Secure-rungs" aria-label="Permitted as" hidden={offer.rungs.length === 0}>
          {offer.rungs.map(rung => (
            <li key={rung} className={`jp-Secure-chip jp-mod-${rung}`} title={rungText(rung)}>
              {rung}
            </li>
          ))}
        </ul>
      </div>
      <Insert offer={offer} insert={insert} />
      {offer.rungs.length === 0 && <NotNow offer={offer} />}
      {offer.check && (
        <p className="jp-Secure-quiet">
          <Sentence text={offer.check} />
        </p>
      )}
      <AskButton dataset={offer.dataset} />
      <details className="jp-Secure-details" open={open}>
        <summary>{offerSummary(offer)}</summary>
        <Columns offer={offer} ask={ask} />
      </details>
    </article>
  );
}

interface DatasetsProps {
  part: Part<Offer[]>;
  insert: (source: string) => void;
  ask: Ask;
}

export function Datasets({ part, insert, ask }: DatasetsProps): JSX.Element {
  return (
    <Answer
      part={part}
      icon={infoIcon}
      isEmpty={offers => offers.length === 0}
      empty="No dataset is permitted to you here. A data steward can change that; a stronger guard, a purpose or a second factor may be asked for."
    >
      {offers => (
        <>
          <p className="jp-Secure-hidden">{plural(offers.length, 'dataset')}</p>
          {offers.map(offer => (
            <Dataset
              key={offer.dataset}
              offer={offer}
              insert={insert}
              ask={ask}
              open={offers.length === 1 && offer.columns.length <= UNFOLDED}
            />
          ))}
        </>
      )}
    </Answer>
  );
}
