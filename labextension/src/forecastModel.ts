/**
 * Which question the person is at, and what it would cost.
 *
 * Promises: the kernel is asked only once a question has been in front for a moment, only while somebody can see the
 * answer, and once in a while for one text; an answer for a question that is no longer in front is dropped. No JupyterLab
 * and no React here.
 */

import { type Forecast, isQuestion } from './forecast.js';
import { faultOf, type Part } from './state.js';
import { Timer } from './timer.js';

const REST = 500; // milliseconds that a question has to be in front, unchanged
const FRESH = 60_000; // milliseconds; prices change with policies
const REMEMBERED = 50;

/** The code of what went wrong when a kernel had no time to answer. */
export const SILENT = 'silent';

export interface Forecasting {
  /** The cell of the question in front, or null. */
  source: string | null;
  part: Part<Forecast>;
}

const NOTHING: Forecasting = { source: null, part: { value: null, fault: null, loading: false } };

export class ForecastModel {
  private readonly ask: (source: string) => Promise<Forecast>;
  private readonly listeners = new Set<() => void>();
  private readonly soon = new Timer(() => void this.askNow());
  private readonly known = new Map<string, { value: Forecast; until: number }>();
  private now = NOTHING;
  private visible = false;
  private allowed = true;
  private epoch = 0; // grows whenever answers under way no longer count

  constructor(ask: (source: string) => Promise<Forecast>) {
    this.ask = ask;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly snapshot = (): Forecasting => this.now;

  /** Turn to a cell, or to none. */
  look(cell: string | null): void {
    const source = cell !== null && isQuestion(cell) ? cell : null;
    if (source !== this.now.source) {
      this.turn(source);
    }
  }

  /** Say whether anybody would see an answer. */
  show(visible: boolean): void {
    this.visible = visible;
    this.turn(this.now.source);
  }

  /** Say whether the person wants to be told. */
  allow(allowed: boolean): void {
    this.allowed = allowed;
    this.turn(this.now.source);
  }

  /** Nothing that was told holds any longer: another kernel is asked. */
  forget(): void {
    this.known.clear();
    this.turn(this.now.source);
  }

  /** The kernel has time again: what it did not answer is asked once more. */
  retry(): void {
    if (this.now.part.fault?.code === SILENT) {
      this.turn(this.now.source);
    }
  }

  private turn(source: string | null): void {
    this.epoch += 1;
    this.soon.stop();
    const known = source === null ? undefined : this.known.get(source);
    const value = known && known.until > Date.now() ? known.value : null;
    const asking = source !== null && value === null && this.visible && this.allowed;
    this.set({ source, part: { value, fault: null, loading: asking } });
    if (asking) {
      this.soon.start(REST);
    }
  }

  private async askNow(): Promise<void> {
    const { epoch } = this;
    const { source } = this.now;
    if (source === null) {
      return;
    }
    try {
      const value = await this.ask(source);
      if (epoch === this.epoch) {
        this.remember(source, value);
        this.set({ source, part: { value, fault: null, loading: false } });
      }
    } catch (error) {
      if (epoch === this.epoch) {
        this.set({ source, part: { value: null, fault: faultOf(error), loading: false } });
      }
    }
  }

  private remember(source: string, value: Forecast): void {
    this.known.delete(source);
    this.known.set(source, { value, until: Date.now() + FRESH });
    const [oldest] = this.known.keys();
    if (this.known.size > REMEMBERED && oldest !== undefined) {
      this.known.delete(oldest);
    }
  }

  private set(change: Forecasting): void {
    this.now = change;
    this.listeners.forEach(listener => listener());
  }
}
