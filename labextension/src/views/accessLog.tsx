/** What was asked for, granted and refused in this notebook; newest first, live. */

import { checkIcon, circleEmptyIcon, closeIcon, errorIcon, infoIcon, type LabIcon } from '@jupyterlab/ui-components';
import type { JSX } from 'react';

import { type Finding, findingSentence, isAlarm } from '../checkpoint.js';
import { datasetText, entryText, fullTime, type Outcome, outcomeOf, plural, reasonText, shortTime } from '../format.js';
import type { Log } from '../logPages.js';
import type { Part } from '../state.js';
import type { Entry } from '../types.js';
import { AskButton } from './requests.js';
import { Answer, Message } from './section.js';
import { Sentence } from './sentence.js';

const ICONS: Record<Outcome, LabIcon> = {
  permitted: checkIcon,
  done: checkIcon,
  refused: closeIcon,
  failed: errorIcon,
  other: circleEmptyIcon
};

/** Told apart by shape and word; the colour only repeats it. */
function OutcomeMark({ entry }: { entry: Entry }): JSX.Element {
  const outcome = outcomeOf(entry);
  const Icon = ICONS[outcome];
  return (
    <span className={`jp-Secure-outcome jp-mod-${outcome}`}>
      <Icon.react tag="span" className="jp-Secure-icon" />
      {entry.header.outcome}
    </span>
  );
}

interface RowProps {
  entry: Entry;
  now: number;
  me: string;
}

// Narrow, rows are laid out as small cards by the style sheet and empty cells vanish; the explicit roles and column
// numbers keep them a table for screen readers.
function Row({ entry, now, me }: RowProps): JSX.Element {
  const { header, personal } = entry;
  const who = personal === null ? 'erased' : personal.user !== me ? personal.user : null;
  return (
    <tr role="row" className={`jp-mod-${outcomeOf(entry)}`}>
      <td role="cell" aria-colindex={1} className="jp-Secure-logTime">
        <time dateTime={new Date(header.time).toISOString()} title={`Entry ${entry.seq}, ${fullTime(header.time)}`}>
          {shortTime(header.time, now)}
        </time>
      </td>
      <td role="cell" aria-colindex={2} className="jp-Secure-logWhat">
        {entryText(header)}
        {who && <span className="jp-Secure-quiet"> {who}</span>}
      </td>
      <td role="cell" aria-colindex={3} className="jp-Secure-logDataset">
        {datasetText(header.dataset, header.version)}
      </td>
      <td role="cell" aria-colindex={4}>
        {header.rung && <span className="jp-Secure-chip">{header.rung}</span>}
      </td>
      <td
        role="cell"
        aria-colindex={5}
        className="jp-Secure-number"
        data-unit={header.columns.length === 1 ? 'column' : 'columns'}
        title={header.columns.join(', ')}
      >
        {header.columns.length > 0 ? header.columns.length : ''}
      </td>
      <td role="cell" aria-colindex={6} className="jp-Secure-number" data-unit={header.rows === 1 ? 'row' : 'rows'}>
        {header.rows?.toLocaleString()}
      </td>
      <td role="cell" aria-colindex={7} className="jp-Secure-logOutcome">
        <OutcomeMark entry={entry} />
      </td>
      <td role="cell" aria-colindex={8} className="jp-Secure-logReason">
        <Sentence text={reasonText(entry)} />
        {header.outcome === 'refused' && header.dataset && <AskButton dataset={header.dataset} />}
      </td>
    </tr>
  );
}

function Head(): JSX.Element {
  return (
    <thead role="rowgroup">
      <tr role="row">
        {['Time', 'What', 'Dataset', 'As', 'Columns', 'Rows', 'Outcome', 'Reason'].map(title => (
          <th key={title} role="columnheader" scope="col">
            {title}
          </th>
        ))}
      </tr>
    </thead>
  );
}

function Consistency({ finding }: { finding: Finding }): JSX.Element {
  const Icon = isAlarm(finding) || finding.verdict === 'unreadable' ? errorIcon : checkIcon;
  return (
    <p className="jp-Secure-checkpoint" title={finding.now ? `Root ${finding.now.root}` : undefined}>
      <Icon.react tag="span" className="jp-Secure-icon" />
      {findingSentence(finding)}
    </p>
  );
}

/** What nobody may overlook: shown above everything, whatever is folded. */
export function LogAlarm({ alarm }: { alarm: Finding }): JSX.Element {
  return (
    <Message icon={errorIcon} kind="error">
      <strong>{findingSentence(alarm)}</strong> Tell the data protection officer;{' '}
      <code>jupyter secure audit verify</code> shows what is missing.
    </Message>
  );
}

interface LogProps {
  part: Part<Log>;
  finding: Finding | null;
  news: string;
  me: string;
  more: () => void;
}

export function AccessLog({ part, finding, news, me, more }: LogProps): JSX.Element {
  const now = Date.now();
  return (
    <>
      <p role="status" className="jp-Secure-hidden">
        {news}
      </p>
      <Answer
        part={part}
        icon={infoIcon}
        isEmpty={log => log.entries.length === 0}
        empty="Nothing was asked for in this notebook yet."
      >
        {log => (
          <>
            <table role="table" className="jp-Secure-log" aria-label="Access log of this notebook">
              <Head />
              <tbody role="rowgroup">
                {log.entries.map(entry => (
                  <Row key={entry.seq} entry={entry} now={now} me={me} />
                ))}
              </tbody>
            </table>
            {log.more && (
              <button
                type="button"
                className="jp-Button jp-mod-styled jp-mod-minimal jp-Secure-more"
                aria-disabled={part.loading}
                onClick={more}
              >
                Load more
                <span className="jp-Secure-hidden">, {plural(log.entries.length, 'entry', 'entries')} shown</span>
              </button>
            )}
          </>
        )}
      </Answer>
      {finding && <Consistency finding={finding} />}
    </>
  );
}
