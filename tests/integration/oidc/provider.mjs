// The OpenID provider of the tests: the real oidc-provider with a login page that lets a test say who logs in, with
// which class, and how long ago. It prints the address of its issuer and serves until it is ended.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const clients = JSON.parse(process.argv[2]);
const server = createServer().listen(0, '127.0.0.1', () => {
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients,
    acrValues: ['urn:test:password', 'urn:test:mfa'],
    claims: { openid: ['sub'], profile: ['preferred_username'], acr: null, auth_time: null },
    conformIdTokenClaims: false,
    cookies: { keys: ['only for tests'] },
    features: { devInteractions: { enabled: false } },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id.replace(/^account-/, '') })
    }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: async ctx => {
      const { client, session } = ctx.oidc;
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope('openid profile');
      await grant.save();
      return grant;
    },
    pkce: { required: () => true }
  });
  const answer = provider.callback();
  server.on('request', async (request, response) => {
    const { pathname } = new URL(request.url, issuer);
    if (!pathname.startsWith('/interaction/')) {
      return answer(request, response);
    }
    if (request.method === 'GET') {
      response.setHeader('Content-Type', 'text/html; charset=utf-8');
      return response.end(
        '<!doctype html><title>Log in</title><form method="post"><label>Name <input name="name"></label>' +
          '<button>Log in with a second factor</button></form>'
      );
    }
    let body = '';
    for await (const piece of request) {
      body += piece;
    }
    const form = new URLSearchParams(body);
    if (form.has('refuse')) {
      return provider.interactionFinished(request, response, { error: 'access_denied' });
    }
    const login = {
      accountId: form.get('name'),
      acr: form.get('acr') ?? 'urn:test:mfa',
      ts: Math.floor(Date.now() / 1000) - Number(form.get('age') ?? 0),
      remember: false
    };
    await provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
  });
  console.log(issuer);
});
