/** A sentence of the server's; what stands between backticks is shown as code, all of it as text. */

import type { JSX } from 'react';

export function Sentence({ text }: { text: string }): JSX.Element {
  const parts = text.split('`');
  // An odd number of backticks quotes nothing.
  if (parts.length % 2 === 0) {
    return <>{text}</>;
  }
  return <>{parts.map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part))}</>;
}
