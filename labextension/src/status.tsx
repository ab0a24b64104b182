/** The guard level of the kernel in front, in the status bar. */

import { ReactWidget } from '@jupyterlab/ui-components';
import { type JSX, useSyncExternalStore } from 'react';

import { isWeak, levelText } from './guard.js';
import { shieldIcon } from './icons.js';
import type { PanelModel } from './model.js';
import type { Session } from './types.js';

function words(session: Session | null): { short: string; long: string; weak: boolean } {
  if (!session || session.vault === 'down') {
    return { short: 'no broker', long: 'The broker is not running', weak: true };
  }
  if (session.vault === 'locked') {
    return { short: 'locked', long: 'The vault is locked', weak: true };
  }
  const level = session.kernel?.guard?.level ?? 'G0';
  return { short: level, long: `Kernel ${levelText(level)}`, weak: isWeak(level) };
}

function Item({ model, open }: { model: PanelModel; open: () => void }): JSX.Element | null {
  const { session, path } = useSyncExternalStore(model.subscribe, model.snapshot);
  const state = words(session.fault ? null : session.value);
  if (path === null || (session.value === null && !session.fault)) {
    return null;
  }
  return (
    <button type="button" className="jp-Secure-status" title={`${state.long}. Show Secure Data`} onClick={open}>
      <shieldIcon.react tag="span" className={`jp-Secure-icon ${state.weak ? 'jp-mod-bad' : ''}`} />
      {state.short}
    </button>
  );
}

export class GuardStatus extends ReactWidget {
  constructor(
    private readonly model: PanelModel,
    private readonly open: () => void
  ) {
    super();
  }

  protected override render(): JSX.Element {
    return <Item model={this.model} open={this.open} />;
  }
}
