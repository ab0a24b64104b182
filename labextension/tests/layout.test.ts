import assert from 'node:assert/strict';
import { test } from 'node:test';

import { draw, edgeSentences, MOST_DRAWN, NARROW, pathThrough, shorten, WIDE } from '../lib/layout.js';
import { graph as parseGraph } from '../lib/parse.js';
import { graph as answer } from './samples.ts';

const graph = parseGraph(answer);

test('what flows into a node lies above it', () => {
  const drawing = draw(graph, WIDE);
  assert.deepEqual(
    drawing?.nodes.map(placed => placed.node.kind),
    ['dataset', 'view', 'notebook']
  );
  const [first, second] = drawing?.nodes ?? [];
  assert.ok(first && second && first.y + WIDE.height < second.y);
});

test('everything lies inside the drawing, at both sizes', () => {
  for (const size of [WIDE, NARROW]) {
    const drawing = draw(graph, size);
    assert.ok(drawing);
    for (const { x, y } of drawing.nodes) {
      assert.ok(x >= 0 && y >= 0 && x + size.width <= drawing.width && y + size.height <= drawing.height);
    }
  }
});

test('every edge has a line, also two between the same nodes and a circle', () => {
  const edges = [
    ...graph.edges,
    ...graph.edges,
    { ...graph.edges[0], source: 'n', target: '__proto__' },
    { ...graph.edges[0], source: 'v', target: 'v' }
  ];
  const drawing = draw(parseGraph({ graph: { nodes: answer.graph.nodes, edges } }), WIDE);
  assert.equal(drawing?.edges.length, edges.length);
  assert.ok(drawing?.edges.every(({ path }) => path.startsWith('M') && !path.includes('NaN')));
});

test('nothing is drawn of nothing or of too much', () => {
  assert.equal(draw({ nodes: [], edges: [] }, WIDE), null);
  const nodes = Array.from({ length: MOST_DRAWN + 1 }, (_, i) => ({
    id: `${i}`,
    kind: 'frame',
    label: 'f',
    detail: {}
  }));
  assert.equal(draw({ nodes, edges: [] }, WIDE), null);
});

test('the sentences say who vouches', () => {
  assert.deepEqual(edgeSentences(graph), [
    'dataset patients v3 went into masked view: attested by the broker',
    'masked view went into notebook a.ipynb: reported by the kernel'
  ]);
});

test('a long label keeps both ends', () => {
  assert.equal(shorten('short', 22), 'short');
  const cut = shorten('studies/2026/readmission.ipynb', 22);
  assert.equal([...cut].length, 22);
  assert.match(cut, /^studies.*….*ion\.ipynb$/);
});

test('a path through points begins and ends at them', () => {
  assert.equal(pathThrough([]), '');
  assert.equal(
    pathThrough([
      { x: 0, y: 0 },
      { x: 0, y: 9 }
    ]),
    'M0.0,0.0L0.0,9.0'
  );
  assert.match(
    pathThrough([
      { x: 0, y: 0 },
      { x: 4, y: 4 },
      { x: 0, y: 9 }
    ]),
    /^M0\.0,0\.0Q.* 0\.0,9\.0$/
  );
});
