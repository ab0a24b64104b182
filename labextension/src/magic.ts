/** The line of code that the panel writes into a notebook. */

const IDENTIFIER = /^[a-z_][a-z0-9_]*$/;

/**
 * Return the magic that loads a dataset.
 *
 * Names are bounded by the protocol (`protocol/noun.py`); anything else gives null, so that no text of the server's
 * choosing can become code in a notebook.
 */
export function loadMagic(dataset: string, rung: string | null, purpose: string | null): string | null {
  const options = [
    ['--as', rung],
    ['--purpose', purpose]
  ].flatMap(([flag, value]) => (value ? [`${flag} ${value}`] : []));
  const line = ['%secure_load', dataset, ...options].join(' ');
  const plain = [dataset, rung ?? 'x', purpose ?? 'x'].every(name => /^[a-z][a-z0-9_-]{0,62}$/.test(name));
  if (!plain) {
    return null;
  }
  const variable = dataset.replaceAll('-', '_');
  return IDENTIFIER.test(variable) ? `${variable} = ${line}` : line;
}
