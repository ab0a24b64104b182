/**
 * What the panel knows, and when it asks again.
 *
 * Promises: one immutable snapshot at a time; an answer for a notebook that is no longer in front is dropped; any number
 * of events in a row cost one round of questions; what is shown stays while the next answer is under way, but is cleared
 * when the vault closes. No JupyterLab and no React here, so all of it runs in a plain test.
 */

import type { AccessApi } from './access.js';
import { CheckpointWatch } from './checkpoint.js';
import { newsSentence } from './format.js';
import { arrivals, type Log, withNewest, withOlder } from './logPages.js';
import { MfaTalk, type Passkeys } from './mfa.js';
import { type Api, BLANK, faultOf, type Part, type Parts, type Snapshot, START } from './state.js';
import { Timer } from './timer.js';
import type { Entry, Fault, Mfa, Why } from './types.js';

const PAUSE = 250; // milliseconds in which events are gathered
const RETRY = 5_000; // milliseconds until a server or broker that is away is asked again

export class PanelModel {
  /** How many entries one page of the log holds. */
  logEntries = 25;

  private readonly api: Api;
  private readonly listeners = new Set<() => void>();
  private readonly watch = new CheckpointWatch();
  private now = START;
  private readonly soon = new Timer(() => void this.refresh());
  private readonly retry = new Timer(() => void this.refresh());
  private epoch = 0; // grows with every change of notebook
  private running = false;
  private again = false;
  private visible = false;

  constructor(api: Api) {
    this.api = api;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): Snapshot => this.now;

  /** Turn to another notebook, or to none. */
  follow(path: string | null): Promise<void> {
    if (path !== this.now.path) {
      this.epoch += 1;
      this.running = false;
      this.set({ path, ...BLANK });
    }
    return this.refresh();
  }

  /** Say whether anybody can see the panel; hidden, it asks only for the session (for the status bar). */
  show(visible: boolean): void {
    const appeared = visible && !this.visible;
    this.visible = visible;
    if (appeared) {
      void this.refresh();
    }
  }

  /** Something changed in a notebook, or anywhere. */
  changed(notebook: string | null): void {
    if (notebook === null || notebook === this.now.path) {
      this.soon.start(PAUSE);
    }
  }

  /** Ask for everything again; resolves when the answers are in, or at once if another round is under way. */
  async refresh(): Promise<void> {
    if (this.running) {
      this.again = true;
      return;
    }
    const epoch = this.epoch;
    this.running = true;
    do {
      this.again = false;
      await this.ask(epoch);
    } while (this.again && epoch === this.epoch);
    if (epoch === this.epoch) {
      this.running = false;
    }
  }

  /** Load older entries of the log. */
  async more(): Promise<void> {
    const { path, log } = this.now;
    const before = log.value?.entries.at(-1)?.seq;
    if (path !== null && before !== undefined && !log.loading) {
      await this.readLog(this.epoch, path, before);
    }
  }

  /** Try to open the vault; gives what went wrong, or null. */
  async unlock(passphrase: string): Promise<Fault | null> {
    try {
      await this.api.unlock(passphrase);
    } catch (error) {
      return faultOf(error);
    }
    await this.refresh();
    return null;
  }

  /** Do something about a request for access; gives what went wrong, or null. Whatever came of it is asked for. */
  async act(step: (api: AccessApi) => Promise<void>): Promise<Fault | null> {
    let fault: Fault | null = null;
    try {
      await step(this.api);
    } catch (error) {
      fault = faultOf(error);
    }
    await this.refresh();
    return fault;
  }

  /** The conversations about second factors, with this browser's passkeys. */
  talkMfa(passkeys: Passkeys): MfaTalk {
    return new MfaTalk(this.api, passkeys);
  }

  /** Take what the broker said of the person's second factors, in the answer to a change. */
  toldMfa(mfa: Mfa): void {
    this.setPart('mfa', { value: { ...mfa, recovery: [] }, fault: null });
  }

  why(dataset: string, column: string): Promise<Why> {
    return this.api.why(this.now.path ?? '', dataset, column);
  }

  dispose(): void {
    this.soon.stop();
    this.retry.stop();
    this.epoch += 1;
    this.listeners.clear();
  }

  private async ask(epoch: number): Promise<void> {
    const { path } = this.now;
    this.retry.stop();
    await this.part(epoch, 'session', () => this.api.session(path), same);
    if (epoch !== this.epoch) {
      return;
    }
    const { session } = this.now;
    if (session.fault || session.value?.vault !== 'unlocked') {
      this.set({ ...BLANK, mfa: START.mfa });
      if (session.fault || session.value?.vault === 'down') {
        this.retry.start(RETRY);
      }
    } else if (this.visible) {
      await Promise.all([
        this.part(epoch, 'requests', () => this.api.requests(), same),
        this.part(epoch, 'mfa', () => this.api.mfa(), same),
        ...(path === null ? [] : this.askAbout(epoch, path))
      ]);
    }
    if (epoch === this.epoch) {
      this.set({ round: this.now.round + 1 });
    }
  }

  private askAbout(epoch: number, path: string): Promise<void>[] {
    return [
      this.part(epoch, 'offers', () => this.api.datasets(path), same),
      this.part(epoch, 'graph', () => this.api.lineage(path), same),
      this.part(epoch, 'gauges', () => this.api.budget(path), same),
      this.readLog(epoch, path, null)
    ];
  }

  /** Fill one part with what `keep` makes of the answer, unless the notebook changed meanwhile. */
  private async part<K extends keyof Parts, A>(
    epoch: number,
    name: K,
    ask: () => Promise<A>,
    keep: (answer: A) => Parts[K]['value']
  ): Promise<void> {
    this.setPart(name, { loading: true });
    try {
      const answer = await ask();
      if (epoch === this.epoch) {
        this.setPart(name, { value: keep(answer), fault: null, loading: false });
      }
    } catch (error) {
      if (epoch === this.epoch) {
        this.setPart(name, { fault: faultOf(error), loading: false });
      }
    }
  }

  private readLog(epoch: number, path: string, before: number | null): Promise<void> {
    const limit = this.logEntries;
    const remembered = this.watch.last;
    const ask = async (): Promise<Entry[]> => {
      const page = await this.api.log(path, limit, before);
      const finding = this.watch.observe(page.checkpoint, remembered);
      this.set({ finding, alarm: this.watch.alarm });
      return page.entries;
    };
    return this.part(epoch, 'log', ask, page => this.joined(page, limit, before !== null));
  }

  private joined(page: Entry[], limit: number, older: boolean): Log {
    const old = this.now.log.value;
    if (older && old) {
      return withOlder(old, page, limit);
    }
    const log = withNewest(old, page, limit);
    const fresh = arrivals(old, log);
    if (fresh.length > 0) {
      this.set({ news: newsSentence(fresh) });
    }
    return log;
  }

  private setPart<K extends keyof Parts>(name: K, change: Partial<Part<Parts[K]['value']>>): void {
    this.set({ [name]: { ...this.now[name], ...change } });
  }

  private set(change: Partial<Snapshot>): void {
    this.now = { ...this.now, ...change };
    this.listeners.forEach(listener => listener());
  }
}

const same = <T>(answer: T): T => answer;
