import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import * as forecast from '../lib/forecast.js';
import { ForecastModel } from '../lib/forecastModel.js';
import { ApiError } from '../lib/state.js';

const LEFT = [
  { scope: 'dataset', cap: '3', spent: null, remaining: null, delta: '1e-6' },
  { scope: 'person', cap: '1.5', spent: '0.7', remaining: '0.999999', delta: '1e-6' }
];
const TOLD = {
  dataset: 'patients',
  cost: '0.1',
  asked: [
    { name: 'n', margin: 37.94, drowns_below: 38 },
    { name: 'mean_age', margin: 1.5, drowns_below: null }
  ],
  needed: 310,
  left: LEFT
};
const READ = forecast.readForecast(TOLD);
const ONE = '%%secure_sql\nSELECT COUNT(*) FROM patients';
const TWO = '%%secure_sql --epsilon 1\nSELECT COUNT(*) FROM patients';

test('a question is a cell whose first words are the magic', () => {
  for (const source of [ONE, TWO, `\n\n  ${ONE}`, '%%secure_sql', '%%secure_sql\r\nSELECT']) {
    assert.ok(forecast.isQuestion(source), source);
  }
  for (const source of [
    '',
    'x = 1',
    `x = 1\n${ONE}`,
    '%%secure_sqlite\nSELECT',
    '%secure_sql SELECT',
    '# %%secure_sql'
  ]) {
    assert.ok(!forecast.isQuestion(source), source);
  }
});

test('a question is known by its first line', () => {
  assert.equal(forecast.firstLine(`\n${ONE}\nGROUP BY sex`), 'SELECT COUNT(*) FROM patients');
  assert.equal(forecast.firstLine('%%secure_sql\n \n'), '%%secure_sql');
});

test('an answer is read as it was told', () => assert.deepEqual(READ, TOLD));

test('whatever a kernel says becomes text and numbers, or an error', () => {
  const odd = {
    cost: '1',
    asked: [{ name: 3, margin: '9', drowns_below: -1 }, 'x'],
    needed: {},
    left: [{ cap: null }]
  };
  assert.deepEqual(forecast.readForecast(odd), {
    dataset: '',
    cost: '1',
    asked: [{ name: '', margin: null, drowns_below: null }],
    needed: null,
    left: [{ scope: '', cap: '', spent: null, remaining: null, delta: '' }]
  });
  // A kernel without our extension closes the comm with nothing.
  for (const nothing of [{}, { cost: 1 }, { cost: '' }]) {
    assert.throws(() => forecast.readForecast(nothing), /does not tell prices/);
  }
  assert.throws(() => forecast.readForecast(null));
  assert.throws(
    () => forecast.readForecast({ fault: { code: 'refused', public: 'Nothing of that name.' } }),
    (error: ApiError) => error.fault.code === 'refused' && error.message === 'Nothing of that name.'
  );
});

test('price, margins, groups and budgets are said in words', () => {
  assert.equal(forecast.costText('0.1', LEFT), 'ε 0.1 at δ 1e-6');
  assert.equal(forecast.costText('0.1', []), 'ε 0.1');
  assert.deepEqual(READ.asked.map(forecast.marginText), ['± 37.9', '± 1.5']);
  assert.equal(forecast.marginText({ name: 'n', margin: null, drowns_below: null }), 'not told');
  assert.deepEqual(forecast.groupSentences(READ), [
    'Groups of fewer than 38 drown in the noise.',
    'A key needs about 310 people to be told.'
  ]);
  assert.deepEqual(forecast.groupSentences({ ...READ, asked: [], needed: null }), []);
  assert.equal(forecast.leftText(LEFT), 'ε 1 (you)');
});

test('what is more than is left is told, and rounding is not', () => {
  assert.ok(!forecast.isTooMuch('1', LEFT));
  assert.ok(forecast.isTooMuch('1.01', LEFT));
  assert.ok(!forecast.isTooMuch('100', []));
});

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'] }));
afterEach(() => mock.timers.reset());

const settle = () => new Promise<void>(resolve => setImmediate(resolve));

async function pass(milliseconds: number): Promise<void> {
  mock.timers.tick(milliseconds);
  await settle();
}

function watched(answer: (cell: string) => Promise<forecast.Forecast> = () => Promise.resolve(READ)) {
  const asked: string[] = [];
  const model = new ForecastModel(cell => {
    asked.push(cell);
    return answer(cell);
  });
  model.show(true);
  return { asked, model };
}

test('a question that stays in front is asked about once', async () => {
  const { asked, model } = watched();
  model.look(ONE);
  assert.ok(model.snapshot().part.loading);
  await pass(499);
  assert.deepEqual(asked, []);
  await pass(1);
  assert.deepEqual(asked, [ONE]);
  assert.deepEqual(model.snapshot(), { source: ONE, part: { value: READ, fault: null, loading: false } });
  model.look(ONE);
  model.look(TWO);
  await pass(400);
  model.look(ONE); // back before the other was asked about
  await pass(5000);
  assert.deepEqual(asked, [ONE]);
  assert.equal(model.snapshot().part.value, READ);
});

test('while somebody types nothing is asked', async () => {
  const { asked, model } = watched();
  for (const end of ['', ' W', ' WH', ' WHERE age > 40']) {
    model.look(ONE + end);
    await pass(300);
  }
  await pass(200);
  assert.deepEqual(asked, [`${ONE} WHERE age > 40`]);
});

test('another cell, a closed sidebar and a person who does not want it ask nothing', async () => {
  const { asked, model } = watched();
  model.look('x = 1');
  assert.equal(model.snapshot().source, null);
  model.show(false);
  model.look(ONE);
  await pass(5000);
  model.allow(false);
  model.show(true);
  await pass(5000);
  assert.deepEqual(asked, []);
  assert.ok(!model.snapshot().part.loading);
  model.allow(true);
  await pass(500);
  assert.deepEqual(asked, [ONE]);
});

test('what was told is old after a minute, and at once when another kernel is asked', async () => {
  const { asked, model } = watched();
  model.look(ONE);
  await pass(500);
  model.forget();
  await pass(500);
  assert.equal(asked.length, 2);
  model.look(null);
  await pass(60_000);
  model.look(ONE);
  await pass(500);
  assert.equal(asked.length, 3);
});

test('an answer for a question that is no longer in front is dropped', async () => {
  const { model } = watched(cell =>
    cell === ONE
      ? new Promise(resolve => setTimeout(() => resolve(READ), 2000))
      : Promise.resolve({ ...READ, cost: '1' })
  );
  model.look(ONE);
  await pass(500);
  model.look(TWO);
  await pass(500);
  await pass(2000);
  assert.equal(model.snapshot().part.value?.cost, '1');
});

test('what went wrong is told and asked about again', async () => {
  const { asked, model } = watched(() =>
    Promise.reject(new ApiError({ code: 'locked', public: 'The vault is locked.' }))
  );
  model.look(ONE);
  await pass(500);
  assert.deepEqual(model.snapshot().part, {
    value: null,
    fault: { code: 'locked', public: 'The vault is locked.' },
    loading: false
  });
  model.look(null);
  model.look(ONE);
  await pass(500);
  assert.equal(asked.length, 2);
});

test('only the last questions are remembered', async () => {
  const { asked, model } = watched();
  const question = (n: number) => `${ONE} WHERE age > ${n}`;
  for (let n = 0; n <= 50; n += 1) {
    model.look(question(n));
    await pass(500);
  }
  model.look(question(50));
  model.look(question(1));
  await pass(500);
  assert.equal(asked.length, 51);
  model.look(question(0));
  await pass(500);
  assert.equal(asked.length, 52);
});

test('what a busy kernel did not answer is asked again when it has time, and nothing else is', async () => {
  let code = 'silent';
  const { asked, model } = watched(() => Promise.reject(new ApiError({ code, public: 'Not now.' })));
  model.retry();
  model.look(ONE);
  await pass(500);
  code = 'refused';
  model.retry();
  assert.ok(model.snapshot().part.loading);
  await pass(500);
  assert.equal(asked.length, 2);
  model.retry();
  await pass(5000);
  assert.equal(asked.length, 2);
});

test('the last quarter of a budget is told before a question spends from it', () => {
  assert.equal(forecast.lastQuarters('0.2', LEFT), '');
  assert.equal(forecast.lastQuarters('1', LEFT), 'you');
  const person = { scope: 'person', cap: '1.5', spent: '0.7', remaining: null, delta: '0' };
  assert.equal(forecast.lastQuarters('0.4', [person]), '');
  assert.equal(forecast.lastQuarters('0.5', [person]), 'you');
  assert.equal(forecast.lastQuarters('0', [{ ...person, spent: '1.4' }]), 'you');
});
