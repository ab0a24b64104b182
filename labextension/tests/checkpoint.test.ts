import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CheckpointWatch, findingSentence, readCheckpoint } from '../lib/checkpoint.js';
import { note } from './samples.ts';

function watched(...notes: string[]) {
  const watch = new CheckpointWatch();
  const findings = notes.map(text => watch.observe(text, watch.last));
  return { watch, verdicts: findings.map(finding => finding.verdict), last: findings.at(-1) };
}

test('a checkpoint is origin, size and root', () => {
  assert.deepEqual(readCheckpoint(note(7)), { origin: 'jupyter-secure/log/1', size: 7, root: 'root7' });
});

test('what is not a checkpoint is not read', () => {
  for (const text of [
    '',
    'a',
    'a\n1',
    'a\n1\n',
    'a\n01\nr',
    'a\n-1\nr',
    'a\n1e3\nr',
    '\n1\nr',
    'a\n99999999999999999\nr'
  ]) {
    assert.equal(readCheckpoint(text), null, JSON.stringify(text));
  }
});

test('a log that grows or rests raises no alarm', () => {
  const { watch, verdicts } = watched(note(5), note(5), note(9));
  assert.deepEqual(verdicts, ['first', 'same', 'grown']);
  assert.equal(watch.alarm, null);
});

test('a log that got shorter is told loudly and for good', () => {
  const { watch, verdicts } = watched(note(9), note(8), note(10));
  assert.deepEqual(verdicts, ['first', 'shorter', 'grown']);
  assert.equal(watch.alarm?.verdict, 'shorter');
  assert.match(findingSentence(watch.alarm), /got shorter: 9 entries were remembered, now it has 8/);
});

test('the longest state stays remembered after a shorter one', () => {
  const { watch } = watched(note(9), note(3), note(4));
  assert.equal(watch.last?.size, 9);
});

test('another root at the same size is a rewritten log', () => {
  assert.equal(watched(note(9), note(9, 'other')).watch.alarm?.verdict, 'rewritten');
});

test('another origin is another log', () => {
  assert.equal(watched(note(9), note(20, 'r', 'elsewhere')).watch.alarm?.verdict, 'replaced');
});

test('a missing checkpoint is told, but is no proof of anything', () => {
  const { watch, last } = watched(note(9), '');
  assert.equal(last?.verdict, 'unreadable');
  assert.equal(watch.alarm, null);
  assert.equal(watch.last?.size, 9);
});

test('an answer overtaken by a later one raises no alarm', () => {
  const watch = new CheckpointWatch();
  const slow = watch.last;
  watch.observe(note(9), watch.last);
  watch.observe(note(8), slow);
  assert.equal(watch.alarm, null);
  assert.equal(watch.last?.size, 9);
});
