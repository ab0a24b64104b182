/** What is left of the privacy budgets. */

import { infoIcon } from '@jupyterlab/ui-components';
import type { JSX } from 'react';

import { fullTime, gaugeText, scopeText, shortTime, spentShare } from '../format.js';
import type { Part } from '../state.js';
import type { Budget as Budgets, Gauge, Spent } from '../types.js';
import { Answer } from './section.js';

/** From here on the last quarter is being spent, which is said in words and in colour. */
const NEARLY = 0.75;

function Meter({ gauge }: { gauge: Gauge }): JSX.Element {
  const share = spentShare(gauge);
  const cap = Number(gauge.cap);
  const label = `${gauge.dataset}, ${scopeText(gauge.scope)}`;
  const level = share === null ? 'unknown' : share >= 1 ? 'full' : share >= NEARLY ? 'high' : 'low';
  return (
    <li>
      <div className="jp-Secure-meterText">
        <span className="jp-Secure-strong">{gauge.dataset}</span>
        <span className="jp-Secure-quiet">{scopeText(gauge.scope)}</span>
        <span title={`at δ ${gauge.delta}`}>{gaugeText(gauge)}</span>
        {gauge.renewed > 0 && <span className="jp-Secure-quiet">renewed {gauge.renewed.toLocaleString()} ×</span>}
      </div>
      {share === null ? (
        <div className="jp-Secure-meter jp-mod-unknown" />
      ) : (
        <div
          className={`jp-Secure-meter jp-mod-${level}`}
          role="meter"
          aria-label={label}
          aria-valuemin={0}
          aria-valuemax={cap}
          aria-valuenow={share * cap}
          aria-valuetext={gaugeText(gauge)}
        >
          <div style={{ width: `${share * 100}%` }} />
        </div>
      )}
      {level === 'high' && <div className="jp-Secure-quiet">A quarter or less is left.</div>}
      {level === 'full' && <div className="jp-Secure-quiet">Used up: new questions are refused.</div>}
    </li>
  );
}

function History({ history }: { history: Spent[] }): JSX.Element {
  const now = Date.now();
  return (
    <details className="jp-Secure-details">
      <summary>What spent it</summary>
      <table className="jp-Secure-columns" aria-label="What spent the budget">
        <thead>
          <tr>
            {['Time', 'Dataset', 'Cost', 'About', 'Where'].map(title => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {history.map(spent => (
            <tr key={spent.seq}>
              <td title={`Entry ${spent.seq}, ${fullTime(spent.time)}`}>{shortTime(spent.time, now)}</td>
              <td>{spent.dataset}</td>
              <td>ε {spent.cost}</td>
              <td>{spent.columns.join(', ')}</td>
              <td>{[spent.notebook, spent.user].filter(Boolean).join(', ') || 'erased'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

export function Budget({ part }: { part: Part<Budgets> }): JSX.Element {
  return (
    <Answer
      part={part}
      icon={infoIcon}
      isEmpty={budget => budget.gauges.length + budget.history.length === 0}
      empty="No dataset here answers with differential privacy, so there is no budget to spend."
    >
      {({ gauges, history }) => (
        <>
          <ul className="jp-Secure-meters">
            {gauges.map(gauge => (
              <Meter key={`${gauge.dataset} ${gauge.scope}`} gauge={gauge} />
            ))}
          </ul>
          {history.length > 0 && <History history={history} />}
        </>
      )}
    </Answer>
  );
}
