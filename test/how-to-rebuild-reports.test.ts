/** The commands of the guide to building reports again, over a running service. */
import path from 'node:path'
import t from 'tap'
import { type Chartwarden, commandLine } from './support/command-line.ts'
import { documentedCommands } from './support/documented-commands.ts'
import { createTestDatabase } from './support/postgres.ts'
import { startTestService } from './support/service.ts'
import { waitFor } from './support/wait-for.ts'

const page = path.resolve(import.meta.dirname, '../docs/how-to/rebuild-reports.md')

t.test('somebody follows the guide', async (t) => {
  const database = await createTestDatabase(t)
  await startTestService(t, { database })
  const chartwarden: Chartwarden = commandLine({ CHARTWARDEN_FEED_DATABASE_URL: database.feedUrl })
  const status = async () => {
    const { out } = await chartwarden('projections', 'status', '--json')
    return (
      JSON.parse(out) as { readonly projections: readonly { readonly name: string; readonly state: string; readonly building?: object }[] }
    ).projections
  }
  await waitFor('the read models', async () => (await status()).every(({ state }) => state === 'live'))
  const said: string[] = []
  for (const { command, exits } of documentedCommands(page)) {
    const { code, out } = await chartwarden(...command.split(' ').slice(2))
    t.equal(code, exits, command)
    said.push(out)
  }
  t.match(said, [
    /^READ MODEL +VERSION +STATE[\s\S]*access_history +\d+ +live/,
    /^access_history is being built as generation 2/,
    /^Nothing is parked/,
  ])
  await waitFor('the new one', async () => {
    const all = await status()
    return all.every(({ state, building }) => state === 'live' && building === undefined)
  })
  const { out } = await chartwarden('projections', 'rebuild', 'offboardings', '--json')
  const { begun } = JSON.parse(out) as { readonly begun: readonly { readonly projection: string }[] }
  t.same(
    begun.map(({ projection }) => projection).sort(),
    ['access_history', 'emergencies', 'offboardings', 'role_grants'],
    'and what reads it',
  )
  t.match(await chartwarden('projections', 'rebuild', 'nothing'), {
    code: 2,
    err: /There is no read model "nothing"; there are identities, /,
  })
})
