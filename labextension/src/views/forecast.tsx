/** What the question in front would cost, at the foot of the sidebar: there it is seen and moves nothing else. */

import { errorIcon, infoIcon } from '@jupyterlab/ui-components';
import { type JSX, useId, useSyncExternalStore } from 'react';

import {
  type Asked,
  costText,
  firstLine,
  type Forecast,
  groupSentences,
  isTooMuch,
  lastQuarters,
  leftText,
  marginText
} from '../forecast.js';
import type { ForecastModel } from '../forecastModel.js';
import type { Gauge } from '../types.js';
import { Hint, Message } from './section.js';
import { Sentence } from './sentence.js';

function Margins({ asked }: { asked: Asked[] }): JSX.Element {
  return (
    <table className="jp-Secure-columns" aria-label="Margins of error to expect">
      <thead>
        <tr>
          <th scope="col">Asked</th>
          <th scope="col">95 % margin of error</th>
        </tr>
      </thead>
      <tbody>
        {asked.map(item => (
          <tr key={item.name}>
            <th scope="row">{item.name}</th>
            <td className="jp-Secure-number">{marginText(item)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Price({ forecast, gauges }: { forecast: Forecast; gauges: Gauge[] }): JSX.Element {
  // What the sidebar knows of the budgets is newer than the forecast.
  const own = gauges.filter(gauge => gauge.dataset === forecast.dataset);
  const left = own.length > 0 ? own : forecast.left;
  const tooMuch = isTooMuch(forecast.cost, left);
  const last = tooMuch ? '' : lastQuarters(forecast.cost, left);
  return (
    <>
      <p>
        Running it costs <span className="jp-Secure-strong">{costText(forecast.cost, left)}</span>. Left for one
        question: {leftText(left) || 'not told'}.
      </p>
      {tooMuch && (
        <Message icon={errorIcon} kind="warn">
          More than is left: it would be refused. A smaller <code>--epsilon</code> costs less and has wider margins.
        </Message>
      )}
      {last && (
        <Message icon={errorIcon} kind="warn">
          That spends from the last quarter of the budget ({last}).
        </Message>
      )}
      {forecast.asked.length > 0 && <Margins asked={forecast.asked} />}
      {groupSentences(forecast).map(sentence => (
        <p key={sentence}>{sentence}</p>
      ))}
      <Hint>Nothing was spent. The exact repeat of an earlier question is free.</Hint>
    </>
  );
}

export function ForecastBar({ model, gauges }: { model: ForecastModel; gauges: Gauge[] }): JSX.Element | null {
  const { source, part } = useSyncExternalStore(model.subscribe, model.snapshot);
  const id = useId();
  if (source === null || !(part.value || part.fault || part.loading)) {
    return null;
  }
  return (
    <section className="jp-Secure-forecast" aria-labelledby={id} aria-busy={part.loading}>
      <h2 className="jp-Secure-subtitle" id={id}>
        The question in front
      </h2>
      <code className="jp-Secure-asked" title={source}>
        {firstLine(source)}
      </code>
      {part.value && <Price forecast={part.value} gauges={gauges} />}
      {part.fault && (
        <Message icon={infoIcon} kind="info">
          No preview. <Sentence text={part.fault.public} />
        </Message>
      )}
      {part.loading && <Hint>Asking what it would cost…</Hint>}
    </section>
  );
}
