import assert from 'node:assert/strict';
import { test } from 'node:test';

import { accessApi, offersFor, readRequests, standingText, whatText } from '../lib/access.js';

const request = {
  id: 'a',
  user: 'ann',
  dataset: 'patients',
  rung: 'raw',
  purpose: 'study',
  rules: { 'raw-on-request': '00' },
  reason: '<b>because</b>',
  days: 7,
  asked: 1,
  state: 'approved',
  decided_by: 'sue',
  note: '',
  until: 2,
  ended_by: null
};
const all = readRequests({
  type: 'RequestsReply',
  mine: [request],
  others: [],
  decides: 'yes',
  stale: [],
  offers: [{ dataset: 'patients', rung: 'raw', purposes: ['study'], max_days: 30 }],
  purposes: [{ name: 'study', title: '', acknowledge: 'text', digest: '00', acknowledged: 1 }]
});
const until = (time: number): string => `#${time}`;

test('a reply is read field by field', () => {
  assert.deepEqual(all.mine, [{ ...request, rules: ['raw-on-request'] }]);
});

test('only a clear word shows what decides, and only a clear word acknowledges', () => {
  assert.equal(all.decides, false);
  assert.equal(all.purposes[0]?.acknowledged, false);
});

test('an answer of another shape is refused or empty', () => {
  assert.throws(() => readRequests([]));
  assert.deepEqual(readRequests({ mine: 'x', offers: [7] }).mine, []);
});

test('there is something to ask for where an offer fits', () => {
  assert.equal(offersFor(all, 'patients', null).length, 1);
  assert.equal(offersFor(all, 'patients', 'masked').length, 0);
  assert.equal(offersFor(all, 'payroll', null).length, 0);
});

test('where a request stands is told in words', () => {
  const [mine] = all.mine;
  assert.ok(mine);
  assert.equal(whatText(mine), 'patients as raw for study');
  assert.equal(standingText(mine, false, until), 'approved by sue until #2');
  assert.match(standingText(mine, true, until), /ask again/);
  assert.match(standingText({ ...mine, state: 'requested' }, false, until), /waits/);
  assert.equal(standingText({ ...mine, state: 'denied' }, true, until), 'denied by sue');
  assert.equal(standingText({ ...mine, state: 'revoked', ended_by: 'tom' }, false, until), 'revoked by tom');
  assert.equal(standingText({ ...mine, state: 'revoked', ended_by: 'ann' }, false, until), 'given back');
  assert.equal(standingText({ ...mine, state: 'expired' }, false, until), 'has run out');
});

test('each step is one request to its own address', async () => {
  const sent: unknown[] = [];
  const post = (name: string, body: object): Promise<unknown> => Promise.resolve(void sent.push([name, body]));
  const api = accessApi(() => Promise.resolve({}), post);
  await api.request({ dataset: 'patients', rung: 'raw', purpose: null, reason: 'r', days: 3 });
  await api.decide('a', false, null, 'no');
  await api.revoke('a', '');
  await api.acknowledge('study', '00');
  assert.deepEqual(sent, [
    ['requests', { dataset: 'patients', rung: 'raw', purpose: null, reason: 'r', days: 3 }],
    ['requests/decide', { request: 'a', approve: false, days: null, note: 'no' }],
    ['requests/revoke', { request: 'a', note: '' }],
    ['acknowledge', { purpose: 'study', digest: '00' }]
  ]);
});
