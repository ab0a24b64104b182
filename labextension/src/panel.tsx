/** The sidebar: one React tree over one model. */

import { ReactWidget, errorIcon, refreshIcon } from '@jupyterlab/ui-components';
import { type JSX, type ReactNode, useCallback, useMemo, useState, useSyncExternalStore } from 'react';

import { isOpen, NOTHING } from './access.js';
import type { ForecastModel } from './forecastModel.js';
import { shieldIcon } from './icons.js';
import { browserPasskeys } from './mfa.js';
import type { PanelModel } from './model.js';
import type { Snapshot } from './state.js';
import type { Mfa, Session, Why } from './types.js';
import { AccessLog, LogAlarm } from './views/accessLog.js';
import { Approvals } from './views/approvals.js';
import { Budget } from './views/budget.js';
import { Datasets } from './views/datasets.js';
import { ForecastBar } from './views/forecast.js';
import { Identity } from './views/identity.js';
import { Lineage } from './views/lineage.js';
import { SecondFactor, StepUps } from './views/mfa.js';
import { type Act, AskingContext, type Draft, MyRequests } from './views/requests.js';
import { Hint, Message, Section } from './views/section.js';
import { Sentence } from './views/sentence.js';
import { Unlock } from './views/unlock.js';

interface PanelProps {
  model: PanelModel;
  forecasts: ForecastModel;
  insert: (source: string) => void;
}

const count = (items: readonly unknown[] | undefined): { badge?: string } =>
  items && items.length > 0 ? { badge: items.length.toLocaleString() } : {};

type DataProps = Omit<PanelProps, 'forecasts'> & { state: Snapshot; session: Session };

function Data({ model, insert, state, session }: DataProps): JSX.Element {
  const { round, path } = state;
  // A new function for every round and notebook makes open answers ask again.
  const ask = useCallback(
    (dataset: string, column: string): Promise<Why> => model.why(dataset, column),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- round and path say when an answer is stale
    [model, round, path]
  );
  return (
    <>
      <Section title="Datasets" {...count(state.offers.value ?? undefined)}>
        <Datasets part={state.offers} insert={insert} ask={ask} />
      </Section>
      <Section title="Access log">
        <AccessLog
          part={state.log}
          finding={state.finding}
          news={state.news}
          me={session.user?.name ?? ''}
          more={() => void model.more()}
        />
      </Section>
      <Section title="Lineage">
        <Lineage part={state.graph} />
      </Section>
      <Section title="Privacy budget">
        <Budget part={state.gauges} />
      </Section>
    </>
  );
}

/** Asking for access and deciding about it belong to the person, not to a notebook; the notebook's data stands between. */
function WithAccess({
  model,
  state,
  children
}: Pick<PanelProps, 'model'> & { state: Snapshot; children: ReactNode }): JSX.Element {
  const [draft, open] = useState<Draft | null>(null);
  const requests = state.requests.value ?? NOTHING;
  const asking = useMemo(() => ({ requests, open }), [requests]);
  const act = useCallback<Act>(step => model.act(step), [model]);
  return (
    <AskingContext.Provider value={asking}>
      {requests.decides && (
        <Section title="Approvals" {...count(requests.others.filter(isOpen))}>
          <Approvals requests={requests} act={act} />
        </Section>
      )}
      {children}
      <Section key={draft ? 'asking' : 'requests'} title="Requests" {...count(requests.mine.filter(isOpen))}>
        <MyRequests part={state.requests} draft={draft} open={open} act={act} />
      </Section>
    </AskingContext.Provider>
  );
}

function Content(props: Omit<PanelProps, 'forecasts'> & { state: Snapshot }): JSX.Element {
  const { model, state } = props;
  const session = state.session.value;
  const fault = state.session.fault;
  const mfa = state.mfa.value;
  const talk = useMemo(() => model.talkMfa(browserPasskeys), [model]);
  const told = useCallback((answer: Mfa) => model.toldMfa(answer), [model]);
  if (fault || !session) {
    return fault ? (
      <Message icon={errorIcon} kind="error">
        <Sentence text={fault.public} />
      </Message>
    ) : (
      <Hint>Asking the server…</Hint>
    );
  }
  return (
    <>
      {state.alarm && <LogAlarm alarm={state.alarm} />}
      {session.vault === 'locked' && <Unlock unlock={passphrase => model.unlock(passphrase)} />}
      {session.vault === 'down' && (
        <Message icon={errorIcon} kind="error">
          The broker is not running, so nothing can be loaded. It is being restarted; what is in memory stays. If this
          remains, ask the operator to look at the server&apos;s log.
        </Message>
      )}
      {mfa && <StepUps talk={talk} mfa={mfa} told={told} />}
      {session.vault !== 'down' && (
        <Section title="Identity and guard">
          <Identity session={session} path={state.path} />
          {mfa && (
            <SecondFactor
              talk={talk}
              mfa={mfa}
              told={told}
              steward={session.user?.roles.includes('steward') ?? false}
            />
          )}
        </Section>
      )}
      {session.vault === 'unlocked' && (
        <WithAccess model={model} state={state}>
          {state.path === null ? (
            <Hint>Open a notebook to see the data you may use in it, its access log and where its data came from.</Hint>
          ) : (
            <Data key={state.path} {...props} session={session} />
          )}
        </WithAccess>
      )}
    </>
  );
}

export function Panel({ model, forecasts, insert }: PanelProps): JSX.Element {
  const state = useSyncExternalStore(model.subscribe, model.snapshot);
  return (
    <>
      <header className="jp-Secure-header">
        <shieldIcon.react tag="span" className="jp-Secure-icon" />
        <h1>Secure Data</h1>
        <span className="jp-Secure-path" title={state.path ?? undefined}>
          {state.path?.split('/').at(-1)}
        </span>
        <button
          type="button"
          className="jp-Button jp-mod-minimal jp-Secure-refresh"
          title="Refresh"
          aria-label="Refresh Secure Data"
          onClick={() => void model.refresh()}
        >
          <refreshIcon.react tag="span" className="jp-Secure-icon" />
        </button>
      </header>
      <div className="jp-Secure-content" aria-busy={state.session.loading && state.session.value === null}>
        <Content model={model} insert={insert} state={state} />
      </div>
      {state.session.value?.vault === 'unlocked' && (
        <ForecastBar model={forecasts} gauges={state.gauges.value?.gauges ?? []} />
      )}
    </>
  );
}

export class SecurePanel extends ReactWidget {
  constructor(
    private readonly model: PanelModel,
    private readonly forecasts: ForecastModel,
    private readonly insert: (source: string) => void
  ) {
    super();
    this.id = 'jupyter-secure';
    this.addClass('jp-Secure');
    this.title.icon = shieldIcon;
    this.title.caption = 'Secure Data';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Secure Data');
  }

  protected override render(): JSX.Element {
    return <Panel model={this.model} forecasts={this.forecasts} insert={this.insert} />;
  }

  protected override onAfterShow(): void {
    this.model.show(true);
    this.forecasts.show(true);
  }

  protected override onAfterHide(): void {
    this.model.show(false);
    this.forecasts.show(false);
  }
}
