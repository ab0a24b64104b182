/** The drawing of a lineage graph; the Tab key reaches one node, arrows walk from there. */

import { type JSX, type KeyboardEvent, useId, useRef, useState } from 'react';

import { type Drawing, nodeName, type NodeSize, type PlacedNode } from '../layout.js';
import type { Node } from '../types.js';

const LEAST_SCALE = 0.66; // below this the letters are too small, and the picture scrolls instead

interface NodeProps {
  placed: PlacedNode;
  size: NodeSize;
  /** The one node that the Tab key reaches; arrows move it. */
  current: boolean;
  chosen: boolean;
  choose: () => void;
  focused: () => void;
}

function GraphNode({ placed, size, current, chosen, choose, focused }: NodeProps): JSX.Element {
  const { node, x, y, text } = placed;
  const press = (event: KeyboardEvent): void => {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      choose();
    }
  };
  return (
    <g
      className={`jp-Secure-node jp-mod-${node.kind} ${chosen ? 'jp-mod-chosen' : ''}`}
      transform={`translate(${x} ${y})`}
      role="button"
      tabIndex={current ? 0 : -1}
      aria-pressed={chosen}
      aria-label={nodeName(node)}
      onClick={choose}
      onFocus={focused}
      onKeyDown={press}
    >
      <title>{node.label}</title>
      <rect width={size.width} height={size.height} rx={4} />
      <text className="jp-Secure-nodeKind" x={10} y={16}>
        {node.kind}
      </text>
      <text x={10} y={32}>
        {text}
      </text>
    </g>
  );
}

function Edges({ drawing, arrow }: { drawing: Drawing; arrow: string }): JSX.Element {
  return (
    <g aria-hidden="true">
      <marker id={arrow} viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
        <path className="jp-Secure-arrow" d="M0,0.5L8,4L0,7.5z" />
      </marker>
      {drawing.edges.map(({ edge, path }, i) => (
        <path key={i} className={`jp-Secure-edge jp-mod-${edge.assertion}`} d={path} markerEnd={`url(#${arrow})`} />
      ))}
    </g>
  );
}

export function Picture({ drawing }: { drawing: Drawing }): JSX.Element {
  const [current, setCurrent] = useState(0);
  const [chosen, setChosen] = useState<string | null>(null);
  const svg = useRef<SVGSVGElement>(null);
  const arrow = useId();
  const count = drawing.nodes.length;

  const walk = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowRight: 1,
      ArrowUp: -1,
      ArrowLeft: -1
    };
    const step = steps[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const next = (Math.min(current, count - 1) + step + count) % count;
      svg.current?.querySelectorAll<SVGGElement>('[role="button"]')[next]?.focus();
    }
  };
  const shown = drawing.nodes.find(placed => placed.node.id === chosen)?.node;
  return (
    <>
      <div className="jp-Secure-picture">
        <svg
          ref={svg}
          role="toolbar"
          tabIndex={-1}
          aria-label="Lineage graph, arrow keys move between its nodes"
          viewBox={`0 0 ${drawing.width} ${drawing.height}`}
          style={{
            maxWidth: drawing.width,
            minWidth: drawing.width * LEAST_SCALE
          }}
          onKeyDown={walk}
        >
          <Edges drawing={drawing} arrow={arrow} />
          {drawing.nodes.map((placed, i) => (
            <GraphNode
              key={placed.node.id}
              placed={placed}
              size={drawing.size}
              current={i === Math.min(current, count - 1)}
              chosen={placed.node.id === chosen}
              choose={() => setChosen(placed.node.id === chosen ? null : placed.node.id)}
              focused={() => setCurrent(i)}
            />
          ))}
        </svg>
      </div>
      <div role="status">{shown && <Detail node={shown} />}</div>
    </>
  );
}

function Detail({ node }: { node: Node }): JSX.Element {
  return (
    <dl className="jp-Secure-facts jp-Secure-inset">
      <dt>{node.kind}</dt>
      <dd>{node.label}</dd>
      {Object.entries(node.detail).map(([key, value]) => [
        <dt key={key}>{key}</dt>,
        <dd key={`${key} is`}>{value}</dd>
      ])}
    </dl>
  );
}
