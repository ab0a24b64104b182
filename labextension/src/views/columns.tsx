/** The columns of a dataset: tag and treatment, and behind `why?` a card of each. */

import { Fragment, type JSX, useCallback, useId, useState } from 'react';

import { tagText, treatmentText, whyQuestion } from '../format.js';
import type { ColumnOffer, Offer, Why } from '../types.js';
import { WhyColumn } from './why.js';

type Ask = (dataset: string, column: string) => Promise<Why>;

function Treatment({ column }: { column: ColumnOffer }): JSX.Element {
  const kind = column.treatment === null ? 'out' : column.treatment === 'keep' ? 'keep' : 'masked';
  return (
    <span className={`jp-Secure-treatment jp-mod-${kind}`} title={column.reason}>
      {treatmentText(column.treatment)}
    </span>
  );
}

interface ColumnProps {
  column: ColumnOffer;
  ask: (column: string) => Promise<Why>;
}

function Column({ column, ask }: ColumnProps): JSX.Element {
  const [open, setOpen] = useState(false);
  const id = useId();
  return (
    <Fragment>
      <tr>
        <th scope="row" title={column.type}>
          {column.name} <span className="jp-Secure-quiet">{column.type}</span>
        </th>
        <td>
          <span title={tagText(column.tag)}>{column.tag ?? 'no tag'}</span>
        </td>
        <td>
          <Treatment column={column} />
        </td>
        <td>
          <button
            type="button"
            className="jp-Secure-link"
            aria-expanded={open}
            aria-controls={id}
            aria-label={whyQuestion(column)}
            onClick={() => setOpen(!open)}
          >
            why?
          </button>
        </td>
      </tr>
      <tr hidden={!open}>
        <td colSpan={4} id={id} className="jp-Secure-why">
          {open && <WhyColumn column={column} ask={ask} />}
        </td>
      </tr>
    </Fragment>
  );
}

export function Columns({ offer, ask }: { offer: Offer; ask: Ask }): JSX.Element {
  const { dataset } = offer;
  const askColumn = useCallback((column: string) => ask(dataset, column), [ask, dataset]);
  return (
    <table className="jp-Secure-columns">
      <caption className="jp-Secure-hidden">Columns of {dataset}</caption>
      <thead>
        <tr>
          <th scope="col">Column</th>
          <th scope="col">Tag</th>
          <th scope="col">Comes as</th>
          <td />
        </tr>
      </thead>
      <tbody>
        {offer.columns.map(column => (
          <Column key={column.name} column={column} ask={askColumn} />
        ))}
      </tbody>
    </table>
  );
}
