import assert from 'node:assert/strict';
import { test } from 'node:test';

import { entryText, reasonText } from '../lib/format.js';
import * as parse from '../lib/parse.js';
import { ShapeError } from '../lib/shape.js';
import { entry, graph, guard, note, session } from './samples.ts';

const READERS = [parse.session, parse.offers, parse.logPage, parse.graph, parse.budget, parse.why];

test('an answer that is not an object is refused', () => {
  for (const read of READERS) {
    for (const junk of [null, undefined, 7, 'text', [], true]) {
      assert.throws(() => read(junk), ShapeError);
    }
  }
});

test('an empty object is read as nothing', () => {
  assert.deepEqual(parse.offers({}), []);
  assert.deepEqual(parse.budget({}), { gauges: [], history: [] });
  assert.deepEqual(parse.logPage({}), { entries: [], checkpoint: '' });
  assert.deepEqual(parse.graph({}), { nodes: [], edges: [] });
  assert.deepEqual(parse.session({}), { user: null, vault: 'down', kernel: null, notebook: null });
});

test('fields of a wrong type become empty values', () => {
  const [offer] = parse.offers({
    offers: [
      { dataset: { a: 1 }, version: -1, rows: 1.5, rungs: ['raw', 7], columns: [null, { name: 3 }], purposes: 'x' }
    ]
  });
  assert.deepEqual(offer, {
    dataset: '',
    version: 0,
    rows: null,
    rungs: ['raw'],
    columns: [{ name: '', type: '', tag: null, treatment: null, reason: '', form: '' }],
    purposes: [],
    check: ''
  });
});

test('a session is read whole', () => {
  const read = parse.session(session());
  assert.equal(read.vault, 'unlocked');
  assert.equal(read.user?.display_name, 'Ada');
  assert.deepEqual(read.kernel, { id: 'k', guard, granted: true, network: 'No network.' });
});

test('an unknown state of the vault counts as down', () => {
  assert.equal(parse.session(session({ vault: 'ajar' })).vault, 'down');
});

test('a canary counts as blocked only by a clear true', () => {
  const kernel = { id: 'k', guard: { ...guard, canaries: { a: 'true', b: 1, c: true } } };
  assert.deepEqual(parse.session(session({ kernel })).kernel?.guard?.canaries, { a: false, b: false, c: true });
});

test('a guard report without a level counts as G0', () => {
  assert.equal(parse.session(session({ kernel: { id: 'k', guard: {} } })).kernel?.guard?.level, 'G0');
});

test('entries come newest first and keep an erased personal part apart', () => {
  const erased = { ...entry(2), personal: null };
  const page = parse.logPage({ entries: [entry(1), erased, entry(3)], checkpoint: note(4) });
  assert.deepEqual(
    page.entries.map(item => item.seq),
    [3, 2, 1]
  );
  assert.equal(page.entries[1]?.personal, null);
  assert.equal(page.entries[0]?.personal?.user, 'ada');
});

test('a preview is told from an answer', () => {
  const answered = { kind: 'query.answered', cost: '0' };
  const entries = [entry(1, answered), entry(2, { ...answered, extra: { preview: 'yes' } })];
  const [preview, repeat] = parse.logPage({ entries, checkpoint: note(4) }).entries;
  assert.ok(preview && repeat);
  assert.deepEqual([preview.header.preview, repeat.header.preview], [true, false]);
  assert.deepEqual([entryText(preview.header), reasonText(preview)], ['Price of a query asked', 'for study']);
  assert.deepEqual([entryText(repeat.header), reasonText(repeat)], ['Query answered', 'for study, cost ε 0']);
});

test('an edge into nowhere is dropped and an unclear one counts as reported', () => {
  const read = parse.graph(graph);
  assert.deepEqual(
    read.edges.map(edge => edge.assertion),
    ['attested', 'reported']
  );
  const unclear = structuredClone(graph);
  Object.assign(unclear.graph.edges[0] ?? {}, { assertion: 'ATTESTED' });
  assert.equal(parse.graph(unclear).edges[0]?.assertion, 'reported');
});

test('a treatment keeps its method and names its parameters as text', () => {
  const treatment = { method: 'generalize', width: 10, prefix: 3, unit: 'year' };
  const why = parse.why({
    reasons: [
      { column: 'zip', treatment },
      { column: 'ssn', treatment: null }
    ]
  });
  assert.deepEqual(why.reasons[0]?.treatment, {
    method: 'generalize',
    parameters: { width: '10', prefix: '3', unit: 'year' }
  });
  assert.equal(why.reasons[1]?.treatment, null);
});

test('only an error with code and sentence is one of ours', () => {
  assert.deepEqual(parse.fault({ code: 'unlock', public: 'No.' }), { code: 'unlock', public: 'No.' });
  for (const other of [null, 'x', {}, { message: 'Not Found' }, { code: 'x' }]) {
    assert.equal(parse.fault(other), null);
  }
});
