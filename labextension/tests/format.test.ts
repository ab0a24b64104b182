import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as format from '../lib/format.js';
import { isWeak, levelText, sentences } from '../lib/guard.js';
import { loadMagic } from '../lib/magic.js';
import { logPage } from '../lib/parse.js';
import { entry, guard, personal } from './samples.ts';

const HOUR = 3_600_000;
const read = (raw: object) => {
  const [first] = logPage({ entries: [raw] }).entries;
  assert.ok(first);
  return first;
};

test('time past is told in the unit that people use', () => {
  const now = 100 * 24 * HOUR;
  const told = [0, 59_000, 60_000, HOUR, 47 * HOUR, 49 * HOUR].map(past => format.ago(now - past, now));
  assert.deepEqual(told, ['just now', 'just now', '1 min ago', '1 h ago', '47 h ago', '2 days ago']);
});

test('a second factor is dated in seconds and may be missing', () => {
  assert.equal(format.mfaText(null, 0), 'not verified');
  assert.equal(format.mfaText(1000, 1000_000 + 2 * HOUR), 'verified 2 h ago');
});

test('a hidden number of rows is not a number', () => {
  assert.equal(format.rowsText(null), 'rows hidden');
  assert.equal(format.rowsText(1), '1 row');
  assert.equal(format.rowsText(0), '0 rows');
});

test('a reason is the note, else the error, with the purpose', () => {
  const refused = { ...entry(1, { outcome: 'refused', error: 'guard' }) };
  assert.equal(format.reasonText(read(refused)), 'Kernel not confined enough, for study');
  const noted = { ...refused, personal: { note: 'No rule gives this.', purpose: null } };
  assert.equal(format.reasonText(read(noted)), 'No rule gives this');
  const connection = { ...entry(1, { kind: 'egress.decided' }), personal: { ...personal, note: 'pypi.org:443' } };
  assert.equal(format.kindText('egress.decided'), 'Connection');
  assert.equal(format.reasonText(read(connection)), 'pypi.org:443, for study');
  assert.equal(format.kindText('outputs.compared'), 'Saved outputs compared');
  assert.equal(format.reasonText(read({ ...entry(1, { error: 'new_code' }), personal: null })), 'new_code');
});

test('an outcome that is not known is not shown as permitted', () => {
  assert.equal(format.outcomeOf(read(entry(1, { outcome: 'PERMITTED' }))), 'other');
});

test('news tell how many and the last', () => {
  const news = format.newsSentence([read(entry(2, { outcome: 'refused' })), read(entry(1))]);
  assert.equal(news, '2 new log entries. Last: Load requested patients, refused.');
});

test('a spent share stays inside the meter, and is absent where it is not shown', () => {
  const gauge = { dataset: 'd', scope: 'person', cap: '2', spent: '0.5', remaining: null, delta: '0', renewed: 0 };
  assert.equal(format.spentShare(gauge), 0.25);
  assert.equal(format.spentShare({ ...gauge, spent: '9' }), 1);
  for (const hidden of [{ spent: null }, { spent: 'x' }, { cap: '0' }, { cap: '' }]) {
    assert.equal(format.spentShare({ ...gauge, ...hidden }), null);
  }
  assert.equal(format.gaugeText({ ...gauge, spent: null }), 'of ε 2, spending not shown');
});

test('a column without treatment is left out', () => {
  assert.equal(format.treatmentText(null), 'left out');
  assert.equal(format.treatmentText('keep'), 'as it is');
  assert.equal(format.treatmentText('tokenize'), 'tokenize');
});

test('each attempt of the report becomes a sentence on its side', () => {
  const { can, cannot } = sentences(guard);
  assert.deepEqual(cannot, ['open network connections', 'do what the attempt “unheard_of” tries']);
  assert.deepEqual(can, ['end other processes of yours']);
});

test('a level nobody knows is weak', () => {
  assert.deepEqual(['G0', 'G1', 'G2', 'G3', 'G4', 'G9', ''].map(isWeak), [true, true, false, false, false, true, true]);
  assert.equal(levelText('G9'), 'of an unknown level');
});

test('the magic names a variable that Python accepts', () => {
  assert.equal(loadMagic('patients', null, null), 'patients = %secure_load patients');
  assert.equal(
    loadMagic('hospital-wards', 'masked', 'study'),
    'hospital_wards = %secure_load hospital-wards --as masked --purpose study'
  );
  assert.equal(loadMagic('class', null, null), 'class_ = %secure_load class');
});

test('no name becomes code', () => {
  for (const name of ['', 'a b', 'a\nimport os', '!ls', 'A', '-x', 'é', 'a;b', '{x}', '$x']) {
    assert.equal(loadMagic(name, null, null), null, name);
    assert.equal(loadMagic('ok', name || ' ', null), null, name);
    assert.equal(loadMagic('ok', null, name || ' '), null, name);
  }
});
