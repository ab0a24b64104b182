/** Where the data of this notebook came from: a drawing, and the same as a list. */

import { infoIcon } from '@jupyterlab/ui-components';
import { type JSX, type RefCallback, useEffect, useMemo, useState } from 'react';

import { plural } from '../format.js';
import { assertionText, draw, edgeSentences, MOST_DRAWN, NARROW, WIDE } from '../layout.js';
import type { Part } from '../state.js';
import type { Graph } from '../types.js';
import { Picture } from './picture.js';
import { Answer, Hint } from './section.js';

const NARROW_BELOW = 360; // pixels of the panel

function Legend(): JSX.Element {
  return (
    <ul className="jp-Secure-legend">
      {['attested', 'reported'].map(assertion => (
        <li key={assertion}>
          <svg width="30" height="8" aria-hidden="true">
            <path className={`jp-Secure-edge jp-mod-${assertion}`} d="M0,4L30,4" />
          </svg>
          {assertionText(assertion)}
        </li>
      ))}
    </ul>
  );
}

/** Says whether the panel is too narrow for wide nodes. */
function useNarrow(): [RefCallback<HTMLElement>, boolean] {
  const [narrow, setNarrow] = useState(false);
  const [element, setElement] = useState<HTMLElement | null>(null);
  useEffect(() => {
    if (!element) {
      return;
    }
    const observer = new ResizeObserver(([entry]) => setNarrow((entry?.contentRect.width ?? 0) < NARROW_BELOW));
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  return [setElement, narrow];
}

function LineageGraph({ graph }: { graph: Graph }): JSX.Element {
  const [measure, narrow] = useNarrow();
  const drawing = useMemo(() => draw(graph, narrow ? NARROW : WIDE), [graph, narrow]);
  const sentences = edgeSentences(graph);
  return (
    <>
      <div ref={measure} />
      {drawing ? <Picture drawing={drawing} /> : <Hint>More than {MOST_DRAWN} nodes are not drawn.</Hint>}
      {drawing && <Legend />}
      <details className="jp-Secure-details" open={!drawing}>
        <summary>As a list, {plural(sentences.length, 'step')}</summary>
        <ul className="jp-Secure-steps">
          {sentences.map((sentence, i) => (
            <li key={i}>{sentence}</li>
          ))}
        </ul>
      </details>
    </>
  );
}

export function Lineage({ part }: { part: Part<Graph> }): JSX.Element {
  return (
    <Answer
      part={part}
      icon={infoIcon}
      isEmpty={graph => graph.nodes.length === 0}
      empty="No data has flowed into this notebook yet."
    >
      {graph => <LineageGraph graph={graph} />}
    </Answer>
  );
}
