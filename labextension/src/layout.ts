/**
 * Places the nodes of a lineage graph, top to bottom, and says the same in words.
 *
 * The layered layout is dagre's. Ids of the data are never used as keys there: a node is known by its place in the list.
 */

import { Graph as DagreGraph, layout } from '@dagrejs/dagre';

import type { Edge, Graph, Node } from './types.js';

/** How large nodes are drawn; `letters` fit into one at the panel's font size. */
export interface NodeSize {
  width: number;
  height: number;
  letters: number;
}

export const WIDE: NodeSize = { width: 184, height: 42, letters: 22 };
export const NARROW: NodeSize = { width: 116, height: 42, letters: 13 };

/** Above this a drawing helps nobody; the list remains. */
export const MOST_DRAWN = 120;

export interface PlacedNode {
  node: Node;
  /** Left upper corner. */
  x: number;
  y: number;
  text: string;
}

export interface PlacedEdge {
  edge: Edge;
  /** SVG path data. */
  path: string;
}

export interface Drawing {
  width: number;
  height: number;
  size: NodeSize;
  nodes: PlacedNode[];
  edges: PlacedEdge[];
}

interface Point {
  x: number;
  y: number;
}

/** Cut out the middle, because both ends of a path or a version tell something, the last the most. */
export function shorten(label: string, length: number): string {
  const letters = [...label];
  if (letters.length <= length) {
    return label;
  }
  const tail = Math.ceil((length - 1) * 0.6);
  return `${letters.slice(0, length - 1 - tail).join('')}…${letters.slice(-tail).join('')}`;
}

/** A line through points, each inner one rounded by a curve. */
export function pathThrough(points: Point[]): string {
  const [first, ...rest] = points;
  const last = rest.pop();
  if (!first || !last) {
    return '';
  }
  let path = `M${at(first)}`;
  rest.forEach((point, i) => {
    const next = rest[i + 1];
    const end = next ? { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 } : last;
    path += `Q${at(point)} ${at(end)}`;
  });
  return rest.length > 0 ? path : `${path}L${at(last)}`;
}

const at = ({ x, y }: Point): string => `${x.toFixed(1)},${y.toFixed(1)}`;

/** Lay out a graph; null if it is empty or too large to draw. */
export function draw(graph: Graph, size: NodeSize): Drawing | null {
  if (graph.nodes.length === 0 || graph.nodes.length > MOST_DRAWN) {
    return null;
  }
  const place = new Map(graph.nodes.map((node, i) => [node.id, `n${i}`]));
  const dagre = new DagreGraph({ multigraph: true });
  dagre.setGraph({ rankdir: 'TB', nodesep: 14, ranksep: 34, marginx: 4, marginy: 4 });
  graph.nodes.forEach((_, i) => dagre.setNode(`n${i}`, { width: size.width, height: size.height }));
  const ends = graph.edges.map(edge => ({
    v: place.get(edge.source) ?? '',
    w: place.get(edge.target) ?? ''
  }));
  ends.forEach(({ v, w }, i) => dagre.setEdge(v, w, {}, `e${i}`));
  layout(dagre);

  const nodes = graph.nodes.map((node, i) => {
    const box = dagre.node(`n${i}`);
    const x = (box.x ?? 0) - size.width / 2;
    return { node, x, y: (box.y ?? 0) - size.height / 2, text: shorten(node.label, size.letters) };
  });
  const edges = graph.edges.map((edge, i) => {
    const { v, w } = ends[i] ?? { v: '', w: '' };
    return { edge, path: pathThrough(dagre.edge(v, w, `e${i}`)?.points ?? []) };
  });
  const { width = size.width, height = size.height } = dagre.graph();
  // Reading order is drawing order, so that the keyboard walks the graph downwards.
  nodes.sort((a, b) => a.y - b.y || a.x - b.x);
  return { width, height, size, nodes, edges };
}

/** What a node is called in words; a label often says what kind it is. */
export const nodeName = ({ kind, label }: Node): string => (label.includes(kind) ? label : `${kind} ${label}`);

/** The graph as sentences, one for each edge. */
export function edgeSentences(graph: Graph): string[] {
  const nodes = new Map(graph.nodes.map(node => [node.id, node]));
  const name = (id: string): string => {
    const node = nodes.get(id);
    return node ? nodeName(node) : id;
  };
  return graph.edges.map(
    edge => `${name(edge.source)} went into ${name(edge.target)}: ${assertionText(edge.assertion)}`
  );
}

export const assertionText = (assertion: string): string =>
  assertion === 'attested' ? 'attested by the broker' : 'reported by the kernel';
