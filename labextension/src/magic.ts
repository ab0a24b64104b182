/** The line of code that the panel writes into a notebook. */

const NAME = /^[a-z][a-z0-9_-]{0,62}$/;
const KEYWORDS = new Set(
  (
    'and as assert async await break class continue def del elif else except finally for from global if import in is ' +
    'lambda nonlocal not or pass raise return try while with yield'
  ).split(' ')
);

/**
 * Return the magic that loads a dataset.
 *
 * Names are bounded by the protocol (`protocol/noun.py`); anything else gives null, so that no text of the server's
 * choosing can become code in a notebook.
 */
export function loadMagic(dataset: string, rung: string | null, purpose: string | null): string | null {
  if (![dataset, rung ?? 'any', purpose ?? 'any'].every(name => NAME.test(name))) {
    return null;
  }
  const name = dataset.replaceAll('-', '_');
  const options = [rung && `--as ${rung}`, purpose && `--purpose ${purpose}`].filter(Boolean);
  return [`${KEYWORDS.has(name) ? `${name}_` : name} =`, '%secure_load', dataset, ...options].join(' ');
}
