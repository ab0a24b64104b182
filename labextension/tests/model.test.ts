import assert from 'node:assert/strict';
import { mock, test } from 'node:test';

import { type AccessRequest, readRequests } from '../lib/access.js';
import { PanelModel } from '../lib/model.js';
import * as parse from '../lib/parse.js';
import { type Api, ApiError } from '../lib/state.js';
import { entry, graph, note, session } from './samples.ts';

const LOCKED = new ApiError({ code: 'unlock', public: 'That passphrase does not open the vault.' });
const settle = () => new Promise<void>(resolve => setImmediate(resolve));

/** A server with a log of `size` entries for every notebook; each answer can be held back. */
class FakeServer implements Api {
  asked: string[] = [];
  vault = 'unlocked';
  size = 100;
  fault: ApiError | null = null;
  gate: Promise<void> | null = null;

  private async answer<T>(name: string, value: () => T): Promise<T> {
    this.asked.push(name);
    const made = value();
    await this.gate;
    if (this.fault) {
      throw this.fault;
    }
    return made;
  }

  session = (path: string | null) =>
    this.answer(`session ${path}`, () => parse.session(session({ vault: this.vault, notebook: path })));
  datasets = (path: string) => this.answer(`datasets ${path}`, () => parse.offers({ offers: [{ dataset: path }] }));
  lineage = (path: string) => this.answer(`lineage ${path}`, () => parse.graph(graph));
  budget = (path: string) => this.answer(`budget ${path}`, () => parse.budget({}));
  why = (path: string, dataset: string) => this.answer(`why ${path} ${dataset}`, () => parse.why({}));
  log = (path: string, limit: number, before: number | null) =>
    this.answer(`log ${path} ${before}`, () => {
      const newest = Math.min(this.size, before ?? Infinity) - 1;
      const entries = Array.from({ length: Math.min(limit, newest + 1) }, (_, i) => entry(newest - i));
      return parse.logPage({ entries, checkpoint: note(this.size) });
    });
  open: Partial<AccessRequest>[] = [];
  requests = () => this.answer('requests', () => readRequests({ mine: this.open }));
  request = (wish: { dataset: string }) =>
    this.answer(`request ${wish.dataset}`, () => void this.open.push({ dataset: wish.dataset, state: 'requested' }));
  decide = (request: string, approve: boolean) => this.answer(`decide ${request} ${approve}`, () => undefined);
  revoke = (request: string) => this.answer(`revoke ${request}`, () => undefined);
  acknowledge = (purpose: string) => this.answer(`acknowledge ${purpose}`, () => undefined);
  mfa = () => this.answer('mfa', () => parse.mfa({}));
  mfaSend = (message: Record<string, unknown>) => this.answer(`mfa ${String(message.type)}`, () => ({}));
  unlock = async (passphrase: string) => {
    if (passphrase !== 'right') {
      throw LOCKED;
    }
    this.vault = 'unlocked';
    return 'unlocked' as const;
  };
}

async function shown(path: string | null = 'a.ipynb') {
  const server = new FakeServer();
  const model = new PanelModel(server);
  model.logEntries = 10;
  model.show(true);
  await model.follow(path);
  await settle();
  server.asked = [];
  return { server, model };
}

const seqs = (model: PanelModel) => model.snapshot().log.value?.entries.map(item => item.seq) ?? [];

test('a notebook in front fills every part', async () => {
  const { model } = await shown();
  const { offers, log, graph, gauges, session } = model.snapshot();
  assert.ok(offers.value && log.value && graph.value && gauges.value && session.value);
  assert.deepEqual(
    [offers, log, graph, gauges, session].filter(part => part.loading || part.fault),
    []
  );
});

test('a hidden panel asks only who and how confined', async () => {
  const { server, model } = await shown();
  model.show(false);
  await model.refresh();
  assert.deepEqual(server.asked, ['session a.ipynb']);
});

test('no notebook in front asks for nobody’s data', async () => {
  const { server, model } = await shown(null);
  await model.refresh();
  assert.deepEqual(server.asked, ['session null', 'requests', 'mfa']);
});

test('an answer for the notebook before is dropped', async () => {
  const { server, model } = await shown();
  let open = () => {};
  server.gate = new Promise(resolve => (open = resolve));
  const old = model.refresh();
  const next = model.follow('b.ipynb');
  assert.equal(model.snapshot().offers.value, null);
  open();
  await Promise.all([old, next]);
  assert.equal(model.snapshot().offers.value?.[0]?.dataset, 'b.ipynb');
  assert.equal(server.asked.filter(name => name === 'datasets a.ipynb').length, 0);
});

test('a round of the notebook before that ends late starts no second round beside the new one', async () => {
  const { server, model } = await shown();
  let endOld = () => {};
  server.gate = new Promise(resolve => (endOld = resolve));
  const old = model.refresh();
  let endNew = () => {};
  server.gate = new Promise(resolve => (endNew = resolve));
  const next = model.follow('b.ipynb');
  endOld();
  await old;
  const asked = model.refresh();
  assert.equal(server.asked.filter(name => name === 'session b.ipynb').length, 1);
  endNew();
  await Promise.all([next, asked]);
});

test('many events cost one round', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { server, model } = await shown();
    for (let i = 0; i < 50; i++) {
      model.changed(null);
    }
    mock.timers.tick(250);
    await settle();
    assert.equal(server.asked.filter(name => name.startsWith('session')).length, 1);
  } finally {
    mock.timers.reset();
  }
});

test('an event of another notebook asks nothing', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { server, model } = await shown();
    model.changed('b.ipynb');
    mock.timers.tick(1000);
    await settle();
    assert.equal(server.asked.length, 0);
  } finally {
    mock.timers.reset();
  }
});

test('a change during a round is asked for after it', async () => {
  const { server, model } = await shown();
  const first = model.refresh();
  await model.refresh();
  await model.refresh();
  await first;
  assert.equal(server.asked.filter(name => name.startsWith('session')).length, 2);
});

test('a broker that is away is asked again by and by, and only then', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { server, model } = await shown();
    server.vault = 'down';
    await model.refresh();
    server.asked = [];
    mock.timers.tick(4999);
    await settle();
    assert.equal(server.asked.length, 0);
    server.vault = 'unlocked';
    mock.timers.tick(1);
    await settle();
    assert.ok(server.asked.includes('datasets a.ipynb'));
    server.asked = [];
    mock.timers.tick(60_000);
    await settle();
    assert.equal(server.asked.length, 0);
  } finally {
    mock.timers.reset();
  }
});

test('a broker that came back is not asked once more for having been away', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { server, model } = await shown();
    server.vault = 'down';
    await model.refresh();
    server.vault = 'unlocked';
    await model.refresh();
    server.asked = [];
    mock.timers.tick(60_000);
    await settle();
    assert.equal(server.asked.length, 0);
  } finally {
    mock.timers.reset();
  }
});

test('a vault that closes takes everything off the screen', async () => {
  const { server, model } = await shown();
  server.vault = 'locked';
  await model.refresh();
  const { offers, log, graph, gauges } = model.snapshot();
  assert.deepEqual([offers.value, log.value, graph.value, gauges.value], [null, null, null, null]);
});

test('a failed question keeps what was shown and says what went wrong', async () => {
  const { server, model } = await shown();
  const budget = server.budget;
  server.budget = () => Promise.reject(new Error('bad JSON'));
  await model.refresh();
  assert.equal(model.snapshot().gauges.fault?.code, 'answer');
  assert.ok(model.snapshot().gauges.value);
  server.budget = budget;
  await model.refresh();
  assert.equal(model.snapshot().gauges.fault, null);
});

test('a wrong passphrase is told, the right one fills the panel', async () => {
  const { server, model } = await shown();
  server.vault = 'locked';
  await model.refresh();
  assert.deepEqual(await model.unlock('wrong'), LOCKED.fault);
  assert.equal(model.snapshot().offers.value, null);
  assert.equal(await model.unlock('right'), null);
  assert.ok(model.snapshot().offers.value);
});

test('more loads older entries, each once, down to the last', async () => {
  const { server, model } = await shown();
  server.size = 25;
  await model.follow('b.ipynb');
  for (let i = 0; i < 5; i++) {
    await model.more();
  }
  assert.deepEqual(
    seqs(model),
    Array.from({ length: 25 }, (_, i) => 24 - i)
  );
  assert.equal(model.snapshot().log.value?.more, false);
});

test('new entries are put before the loaded ones and are told', async () => {
  const { server, model } = await shown();
  await model.more();
  server.size = 103;
  await model.refresh();
  assert.deepEqual(
    seqs(model),
    Array.from({ length: 23 }, (_, i) => 102 - i)
  );
  assert.match(model.snapshot().news, /^3 new log entries/);
});

test('a gap between new and loaded entries is not papered over', async () => {
  const { server, model } = await shown();
  await model.more();
  server.size = 200;
  await model.refresh();
  assert.deepEqual(
    seqs(model),
    Array.from({ length: 10 }, (_, i) => 199 - i)
  );
  assert.equal(model.snapshot().log.value?.more, true);
});

test('a log that got shorter stays an alarm in every notebook', async () => {
  const { server, model } = await shown();
  server.size = 90;
  await model.refresh();
  server.size = 300;
  await model.follow('b.ipynb');
  assert.equal(model.snapshot().alarm?.verdict, 'shorter');
});

test('a disposed model tells nobody and shows nothing new', async () => {
  const { server, model } = await shown();
  let told = 0;
  model.subscribe(() => (told += 1));
  const round = model.refresh();
  model.dispose();
  server.size = 500;
  await round;
  assert.equal(told <= 1, true);
  assert.equal(model.snapshot().log.value?.entries[0]?.seq, 99);
});

test('after something was done about a request everything is asked again', async () => {
  const { server, model } = await shown();
  const wish = { dataset: 'patients', rung: 'raw', purpose: null, reason: 'because', days: 7 };
  assert.equal(await model.act(api => api.request(wish)), null);
  assert.equal(server.asked[0], 'request patients');
  assert.deepEqual(
    model.snapshot().requests.value?.mine.map(request => [request.dataset, request.state]),
    [['patients', 'requested']]
  );
});

test('what went wrong with a request is told, and the state that is now is shown', async () => {
  const { server, model } = await shown();
  const conflict = new ApiError({ code: 'conflict', public: 'Somebody else was quicker.' });
  server.decide = () => Promise.reject(conflict);
  assert.deepEqual(await model.act(api => api.decide('r', true, 7, '')), conflict.fault);
  assert.ok(server.asked.includes('requests'));
});
