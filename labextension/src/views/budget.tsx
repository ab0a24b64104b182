/** What is left of the privacy budgets. */

import { infoIcon } from '@jupyterlab/ui-components';
import type { JSX } from 'react';

import { gaugeText, scopeText, spentShare } from '../format.js';
import type { Part } from '../state.js';
import type { Gauge } from '../types.js';
import { Answer } from './section.js';

function Meter({ gauge }: { gauge: Gauge }): JSX.Element {
  const share = spentShare(gauge);
  const cap = Number(gauge.cap);
  const label = `${gauge.dataset}, ${scopeText(gauge.scope)}`;
  const level = share === null ? 'unknown' : share >= 1 ? 'full' : share >= 0.8 ? 'high' : 'low';
  return (
    <li>
      <div className="jp-Secure-meterText">
        <span className="jp-Secure-strong">{gauge.dataset}</span>
        <span className="jp-Secure-quiet">{scopeText(gauge.scope)}</span>
        <span title={`at δ ${gauge.delta}`}>{gaugeText(gauge)}</span>
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
      {level === 'full' && <div className="jp-Secure-quiet">Used up: new questions are refused.</div>}
    </li>
  );
}

export function Budget({ part }: { part: Part<Gauge[]> }): JSX.Element {
  return (
    <Answer
      part={part}
      icon={infoIcon}
      isEmpty={gauges => gauges.length === 0}
      empty="No dataset here answers with differential privacy, so there is no budget to spend."
    >
      {gauges => (
        <ul className="jp-Secure-meters">
          {gauges.map(gauge => (
            <Meter key={`${gauge.dataset} ${gauge.scope}`} gauge={gauge} />
          ))}
        </ul>
      )}
    </Answer>
  );
}
