import { registerHooks } from 'node:module'
import t from 'tap'
import { isUsableVersion, loadClient, tellsSecrets } from '../../../../services/audit/engines/kurrent/load-client.ts'
import { StartError } from '../../../../services/kernel/start-error.ts'

const isStartError = (sentence: RegExp) => (thrown: unknown) => thrown instanceof StartError && sentence.test(thrown.message)

t.test('versions that lose answers are not used', async (t) => {
  for (const version of ['1.3.1', '1.3.2', '1.4.0', '1.10.0', '2.0.0']) t.ok(isUsableVersion(version), version)
  for (const version of ['1.3.0', '1.2.9', '0.9.9', '1.0.3', '1.3', '1.3.1-rc.1', '', 'latest']) t.notOk(isUsableVersion(version), version)
})

t.test('a DEBUG that makes the client print its password is refused', async (t) => {
  for (const debug of ['*', 'kdb', 'kdb:*', 'express,kdb:connection', '*,-kdb']) t.ok(tellsSecrets(debug), debug)
  for (const debug of [undefined, '', 'express', 'pg:pool']) t.notOk(tellsSecrets(debug), String(debug))
  t.context = process.env['DEBUG']
  process.env['DEBUG'] = 'kdb:*'
  t.teardown(() => {
    if (t.context === undefined) delete process.env['DEBUG']
    else process.env['DEBUG'] = t.context
  })
  await loadClient().then(
    () => t.fail('it was loaded'),
    (thrown) => t.ok(isStartError(/DEBUG/)(thrown)),
  )
})

t.test('a client that is not installed is asked for in one line', async (t) => {
  const hooks = registerHooks({
    resolve: (specifier, context, next) => {
      if (specifier.startsWith('@kurrent/')) throw Object.assign(new Error(`Cannot find ${specifier}`), { code: 'MODULE_NOT_FOUND' })
      return next(specifier, context)
    },
  })
  t.teardown(() => hooks.deregister())
  await loadClient().then(
    () => t.fail('it was loaded'),
    (thrown) => t.ok(isStartError(/not installed: npm install @kurrent\/kurrentdb-client@\^1\.3\.1$/)(thrown), String(thrown)),
  )
})

t.test('the one that is installed here is loaded', async (t) => {
  t.type((await loadClient()).KurrentDBClient.connectionString, 'function')
})
