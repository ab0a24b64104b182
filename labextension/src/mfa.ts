/**
 * Second factors as the panel handles them: what to say, what to draw, and how to ask a browser for a passkey.
 *
 * Nothing here keeps a code or a secret; they go from a field to one request, or from one answer to the screen.
 */

import * as parse from './parse.js';
import { type Api, ApiError } from './state.js';
import type { Mfa, MfaOptions, PendingStepUp } from './types.js';

/** What a person may do with the own factors, or a steward with another person's. */
export type Change =
  | { kind: 'verify' }
  | { kind: 'totp'; again?: boolean }
  | { kind: 'passkey' }
  | { kind: 'codes' }
  | { kind: 'remove'; factor: string; label: string }
  | { kind: 'reset'; user: string };

export const hasFactor = (mfa: Mfa): boolean => mfa.totp || mfa.passkeys.length > 0;

export function factorsText(mfa: Mfa): string {
  const passkeys = mfa.passkeys.length;
  const found = [
    mfa.totp ? 'app' : '',
    passkeys > 0 ? `${passkeys} ${passkeys === 1 ? 'passkey' : 'passkeys'}` : '',
    hasFactor(mfa) ? `${mfa.recovery_left} recovery codes left` : ''
  ];
  return found.filter(Boolean).join(', ') || 'none';
}

/** A waiting request in words: "patients as raw for cohort-study". */
export function pendingText({ dataset, rung, columns, purpose }: PendingStepUp): string {
  const some = columns === null ? '' : ` (${columns.length} ${columns.length === 1 ? 'column' : 'columns'})`;
  return `${dataset} as ${rung}${some}${purpose ? ` for ${purpose}` : ''}`;
}

export function changeText(change: Change): string {
  switch (change.kind) {
    case 'verify':
      return 'Verify now';
    case 'totp':
      return change.again ? 'Replace the app for codes' : 'Add an app for codes';
    case 'passkey':
      return 'Add a passkey';
    case 'codes':
      return 'Make new recovery codes';
    case 'remove':
      return `Remove ${change.label}`;
    case 'reset':
      return `Reset the factors of ${change.user}`;
  }
}

/** The page on which the identity provider is asked to prove a challenge; null without a provider. */
export function providerPage({ provider }: Mfa, challenge: string): string | null {
  return provider && `${provider}?challenge=${encodeURIComponent(challenge)}`;
}

/** Browsers offer passkeys to names, never to addresses; null where they can be had, else what to do. */
export function passkeyHint(
  page: { protocol: string; hostname: string; port: string },
  supported: boolean
): string | null {
  if (/^[\d.]+$|^\[/.test(page.hostname)) {
    const port = page.port ? `:${page.port}` : '';
    return `Passkeys do not work at the address ${page.hostname}. Open \`${page.protocol}//localhost${port}/lab\` instead, or use an app.`;
  }
  return supported ? null : 'This browser offers no passkeys here. Use an app.';
}

/** The dark modules of a QR code as one SVG path; empty if the rows are not a code. */
export function qrPath(rows: string[]): string {
  if (rows.some(row => !/^[01]+$/.test(row) || row.length !== rows.length)) {
    return '';
  }
  const runs = rows.flatMap((row, y) =>
    [...row.matchAll(/1+/g)].map(run => `M${run.index} ${y}h${run[0].length}v1h-${run[0].length}z`)
  );
  return runs.join('');
}

/** The browser's part, so that a test can stand in for it. */
export interface Passkeys {
  create(options: string): Promise<string>;
  get(options: string): Promise<string>;
}

const CANCELLED = { code: 'passkey', public: 'No passkey was used. Try again, or type a code.' };

async function answered(asked: Promise<Credential | null>): Promise<string> {
  try {
    const credential = await asked;
    if (credential instanceof PublicKeyCredential) {
      return JSON.stringify(credential.toJSON());
    }
  } catch {
    // The browser tells no page why: the person said no, the time was over, or there is no such passkey.
  }
  throw new ApiError(CANCELLED);
}

export const browserPasskeys: Passkeys = {
  create: options => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
      JSON.parse(options) as PublicKeyCredentialCreationOptionsJSON
    );
    return answered(navigator.credentials.create({ publicKey }));
  },
  get: options => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
      JSON.parse(options) as PublicKeyCredentialRequestOptionsJSON
    );
    return answered(navigator.credentials.get({ publicKey }));
  }
};

/** The conversations with the broker; a failure is thrown as `ApiError`. */
export class MfaTalk {
  constructor(
    private readonly api: Api,
    private readonly passkeys: Passkeys
  ) {}

  /** A challenge to prove before a change, or null if the change needs none. */
  async challenge(mfa: Mfa, change: Change): Promise<string | null> {
    if (change.kind !== 'verify' && !hasFactor(mfa)) {
      return null;
    }
    return (await this.options({ type: 'MfaChallenge', use: change.kind === 'verify' ? 'verify' : 'manage' }))
      .challenge;
  }

  proveByCode(challenge: string, code: string): Promise<Mfa> {
    return this.state({ type: 'MfaVerify', challenge, code });
  }

  async proveByPasskey(challenge: string): Promise<Mfa> {
    const { options } = await this.options({ type: 'MfaPasskeyOptions', challenge });
    const assertion = await this.passkeys.get(options);
    return this.state({ type: 'MfaVerify', challenge, assertion });
  }

  async secret(challenge: string | null): Promise<ReturnType<typeof parse.mfaSecret>> {
    return parse.mfaSecret(await this.api.mfaSend({ type: 'MfaEnrol', challenge }));
  }

  confirm(code: string): Promise<Mfa> {
    return this.state({ type: 'MfaConfirm', code });
  }

  async addPasskey(challenge: string | null, label: string): Promise<Mfa> {
    const begun = await this.options({ type: 'MfaAddPasskey', challenge });
    const assertion = await this.passkeys.create(begun.options);
    return this.state({ type: 'MfaKeepPasskey', challenge: begun.challenge, assertion, label });
  }

  newCodes(challenge: string | null): Promise<Mfa> {
    return this.state({ type: 'MfaRecoveryCodes', challenge });
  }

  remove(challenge: string | null, factor: string): Promise<Mfa> {
    return this.state({ type: 'MfaRemove', challenge, factor });
  }

  async reset(challenge: string | null, user: string): Promise<Mfa> {
    await this.api.mfaSend({ type: 'MfaReset', challenge, user });
    return this.api.mfa();
  }

  private async state(message: Record<string, unknown>): Promise<Mfa> {
    return parse.mfa(await this.api.mfaSend(message));
  }

  private async options(message: Record<string, unknown>): Promise<MfaOptions> {
    return parse.mfaOptions(await this.api.mfaSend(message));
  }
}
