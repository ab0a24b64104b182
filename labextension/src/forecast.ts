/**
 * What a `%%secure_sql` cell would cost if it were run: its shape, as `jupyter_secure/kernel/forecast.py` tells it, and in
 * words. A kernel runs other people's code, so nothing it says is trusted to have a shape, and all of it is text.
 */

import { scopeText } from './format.js';
import { fault } from './parse.js';
import { list, maybeCount, maybeText, root, text } from './shape.js';
import { ApiError } from './state.js';

/** A number that would be answered, and how far it would be off. */
export interface Asked {
  name: string;
  /** Half the width of the 95 % margin. */
  margin: number | null;
  /** A group of fewer drowns in the noise; null where nothing is counted by groups. */
  drowns_below: number | null;
}

/** A budget; `types.Gauge` is one too. */
export interface Left {
  scope: string;
  cap: string;
  /** Null where it is not told. */
  spent: string | null;
  /** Epsilon that one question may still cost; null where it is not told. */
  remaining: string | null;
  delta: string;
}

export interface Forecast {
  dataset: string;
  /** Epsilon. */
  cost: string;
  asked: Asked[];
  /** How many people a key that nobody listed must have to be told; null where all keys are listed. */
  needed: number | null;
  left: Left[];
}

const QUESTION = /^\s*%%secure_sql(?!\w)/;
const LOW = 0.25; // the share of a budget that is worth a word when no more is left
const ROUNDED = 2e-6; // what remains is told rounded down to six decimals

const size = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;

/** Say whether a cell is a question with a price. */
export const isQuestion = (source: string): boolean => QUESTION.test(source);

/** The line of a question by which a person knows it: the first after that of the magic, or else that. */
export function firstLine(source: string): string {
  const [magic = '', statement] = source.split('\n').filter(line => line.trim() !== '');
  return (statement ?? magic).trim();
}

/** Read an answer; what went wrong is thrown as `ApiError`. */
export function readForecast(value: unknown): Forecast {
  const from = root(value);
  const wrong = fault(from.fault);
  if (wrong) {
    throw new ApiError(wrong);
  }
  if (!maybeText(from.cost)) {
    throw new ApiError({ code: 'answer', public: 'This kernel does not tell prices.' });
  }
  return {
    dataset: text(from.dataset),
    cost: text(from.cost),
    asked: list(from.asked, item => ({
      name: text(item.name),
      margin: size(item.margin),
      drowns_below: maybeCount(item.drowns_below)
    })),
    needed: maybeCount(from.needed),
    left: list(from.left, item => ({
      scope: text(item.scope),
      cap: text(item.cap),
      spent: maybeText(item.spent),
      remaining: maybeText(item.remaining),
      delta: text(item.delta)
    }))
  };
}

/** Epsilon and delta; the delta is the same for all budgets of a dataset. */
export function costText(cost: string, left: readonly Left[]): string {
  const delta = left[0]?.delta;
  return delta ? `ε ${cost} at δ ${delta}` : `ε ${cost}`;
}

const digits = (value: number): string => Number(value.toPrecision(3)).toLocaleString();

export const marginText = ({ margin }: Asked): string => (margin === null ? 'not told' : `± ${digits(margin)}`);

/** How large a group must be: so that its number says anything, and so that it is told at all. */
export function groupSentences({ asked, needed }: Forecast): string[] {
  const largest = Math.max(0, ...asked.map(item => item.drowns_below ?? 0));
  return [
    ...(largest > 0 ? [`Groups of fewer than ${largest.toLocaleString()} drown in the noise.`] : []),
    ...(needed === null ? [] : [`A key needs about ${needed.toLocaleString()} people to be told.`])
  ];
}

/** What is left of each budget that says so. */
export const leftText = (left: readonly Left[]): string =>
  left
    .flatMap(({ scope, remaining }) =>
      remaining === null ? [] : [`ε ${Number(Number(remaining).toPrecision(4))} (${scopeText(scope)})`]
    )
    .join(', ');

/** Say whether some budget has not that much left; running the cell would be refused. */
export const isTooMuch = (cost: string, left: readonly Left[]): boolean =>
  left.some(({ remaining }) => remaining !== null && Number(cost) > Number(remaining) + ROUNDED);

/** About the epsilon of two spendings, as `jupyter_secure/kernel/dp_budget.py` estimates it. */
function together(first: number, second: number, delta: number): number {
  if (delta === 0) {
    return first + second;
  }
  const log = Math.log(1 / delta);
  const rho = (Math.sqrt(log + first) - Math.sqrt(log)) ** 2 + (Math.sqrt(log + second) - Math.sqrt(log)) ** 2;
  return rho + 2 * Math.sqrt(rho * log);
}

/** Whose budgets a question of that cost takes into their last quarter, or spends from it. */
export const lastQuarters = (cost: string, left: readonly Left[]): string =>
  left
    .filter(
      ({ spent, cap, delta }) =>
        spent !== null && together(Number(spent), Number(cost), Number(delta)) >= (1 - LOW) * Number(cap)
    )
    .map(({ scope }) => scopeText(scope))
    .join(', ');
