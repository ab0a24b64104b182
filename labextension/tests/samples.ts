/** Answers as the server sends them: the JSON of protocol messages. */

export const header = {
  time: 1_760_000_000_000,
  kind: 'load.decided',
  outcome: 'permitted',
  request: 'r1',
  reference: null,
  dataset: 'patients',
  version: 3,
  rung: 'masked',
  columns: ['zip', 'cost'],
  rows: null,
  policy: 'ab',
  decision: 'cd',
  view: null,
  guard: 'G3',
  error: null,
  cost: null,
  extra: {}
};

export const personal = { user: 'ada', kernel: 'k', notebook: 'a.ipynb', purpose: 'study', note: null };

export const entry = (seq: number, change: object = {}) => ({
  seq,
  header: { ...header, ...change },
  commitment: '00',
  personal
});

export const note = (size: number, root = `root${size}`, origin = 'jupyter-secure/log/1') =>
  `${origin}\n${size}\n${root}\n\n— ${origin} c2ln\n`;

export const guard = {
  level: 'G3',
  layers: ['namespaces'],
  canaries: { tcp: true, signal: false, unheard_of: true },
  outside: { NoNewPrivs: '1' },
  missing: ['No system call filter is in force.']
};

export const session = (change: object = {}) => ({
  user: { name: 'ada', display_name: 'Ada', roles: ['engineer'], mfa_at: null },
  vault: 'unlocked',
  kernel: { id: 'k', guard, granted: true, network: 'No network.' },
  notebook: 'a.ipynb',
  ...change
});

export const graph = {
  type: 'LineageReply',
  graph: {
    nodes: [
      { id: '__proto__', kind: 'dataset', label: 'patients v3', detail: { digest: 'ab' } },
      { id: 'v', kind: 'view', label: 'masked view', detail: {} },
      { id: 'n', kind: 'notebook', label: 'a.ipynb', detail: {} }
    ],
    edges: [
      { source: '__proto__', target: 'v', assertion: 'attested', time: 1, seq: 1 },
      { source: 'v', target: 'n', assertion: 'reported', time: 1, seq: null },
      { source: 'v', target: 'gone', assertion: 'attested', time: 1, seq: 2 }
    ]
  }
};
