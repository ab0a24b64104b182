import assert from 'node:assert/strict';
import { test } from 'node:test';

import { changeText, factorsText, MfaTalk, passkeyHint, pendingText, providerPage, qrPath } from '../lib/mfa.js';
import * as parse from '../lib/parse.js';
import type { Api } from '../lib/state.js';

const STATE = {
  totp: true,
  passkeys: [{ id: 'k1', label: 'phone', created: 5 }],
  recovery_left: 9,
  mfa_at: 100,
  locked_until: null,
  pending: [
    {
      challenge: 'ab',
      dataset: 'patients',
      rung: 'raw',
      columns: null,
      purpose: 'cohort-study',
      notebook: 'a.ipynb',
      expires: 9
    }
  ],
  recovery: ['0-AAAA']
};
const NONE = parse.mfa({});

/** A server that remembers what it was sent and answers as the broker would. */
function talk(answers: Record<string, unknown>) {
  const sent: Record<string, unknown>[] = [];
  const api = {
    mfa: async () => NONE,
    mfaSend: async (message: Record<string, unknown>) => {
      sent.push(message);
      return answers[String(message.type)] ?? {};
    }
  } as unknown as Api;
  const passkeys = { create: async (o: string) => `created ${o}`, get: async (o: string) => `signed ${o}` };
  return { sent, talk: new MfaTalk(api, passkeys) };
}

test('factors are told in words', () => {
  assert.equal(factorsText(NONE), 'none');
  assert.equal(factorsText(parse.mfa(STATE)), 'app, 1 passkey, 9 recovery codes left');
});

test('a waiting request is told in words', () => {
  const [all] = parse.mfa(STATE).pending;
  assert.ok(all);
  assert.equal(pendingText(all), 'patients as raw for cohort-study');
  assert.equal(pendingText({ ...all, columns: ['a', 'b'], purpose: null }), 'patients as raw (2 columns)');
});

test('the link leads to the identity provider by way of the broker, over an encrypted line alone', () => {
  const page = (provider: unknown) => providerPage(parse.mfa({ provider }), 'a&b');
  assert.equal(page('https://hub.example/secure/oidc/start'), 'https://hub.example/secure/oidc/start?challenge=a%26b');
  assert.equal(page('http://localhost:8490/oidc/start'), 'http://localhost:8490/oidc/start?challenge=a%26b');
  const bad = ['javascript:alert(1)', 'http://hub.example/oidc/start', 'https://hub.example/?a=b', 'oidc', '', 7];
  assert.deepEqual(
    bad.map(page),
    bad.map(() => null)
  );
  assert.equal(providerPage(NONE, 'a'), null);
});

test('an address is no place for passkeys, and the person is told where to go', () => {
  const page = { protocol: 'http:', hostname: '127.0.0.1', port: '8888' };
  assert.match(passkeyHint(page, true) ?? '', /`http:\/\/localhost:8888\/lab`/);
  assert.match(passkeyHint({ ...page, hostname: '[::1]' }, true) ?? '', /localhost/);
  assert.equal(passkeyHint({ ...page, hostname: 'localhost' }, true), null);
  assert.match(passkeyHint({ ...page, hostname: 'localhost' }, false) ?? '', /no passkeys/);
});

test('a QR code is drawn as runs of dark modules, and anything else as nothing', () => {
  assert.equal(qrPath(['110', '001', '000']), 'M0 0h2v1h-2zM2 1h1v1h-1z');
  assert.equal(qrPath(['1"', '01']), '');
  assert.equal(qrPath(['10', '010']), '');
});

test('the first factor needs no proof, every other change does', async () => {
  const { sent, talk: conversation } = talk({ MfaChallenge: { challenge: 'cd' } });
  assert.equal(await conversation.challenge(NONE, { kind: 'totp' }), null);
  assert.equal(await conversation.challenge(parse.mfa(STATE), { kind: 'totp' }), 'cd');
  assert.equal(await conversation.challenge(NONE, { kind: 'verify' }), 'cd');
  assert.deepEqual(
    sent.map(message => message.use),
    ['manage', 'verify']
  );
});

test('a passkey signs the options of the one challenge', async () => {
  const { sent, talk: conversation } = talk({
    MfaPasskeyOptions: { challenge: 'ab', options: '{}' },
    MfaVerify: STATE
  });
  const state = await conversation.proveByPasskey('ab');
  assert.deepEqual(sent.at(-1), { type: 'MfaVerify', challenge: 'ab', assertion: 'signed {}' });
  assert.equal(state.recovery_left, 9);
});

test('a new passkey is kept under the challenge that began it', async () => {
  const { sent, talk: conversation } = talk({ MfaAddPasskey: { challenge: 'ef', options: '{"a":1}' } });
  await conversation.addPasskey(null, 'mine');
  assert.deepEqual(sent.at(-1), {
    type: 'MfaKeepPasskey',
    challenge: 'ef',
    assertion: 'created {"a":1}',
    label: 'mine'
  });
});

test('every change has words', () => {
  assert.equal(changeText({ kind: 'remove', factor: 'k1', label: 'the app' }), 'Remove the app');
  assert.equal(changeText({ kind: 'totp', again: true }), 'Replace the app for codes');
  assert.equal(changeText({ kind: 'reset', user: 'sam' }), 'Reset the factors of sam');
});
