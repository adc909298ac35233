import pg from 'pg'
import t, { type Test } from 'tap'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { newPassword } from '../../../services/kernel/postgres/admin-secret.ts'
import { groupRoles, type LoginPasswords, loginRoles, provisionDatabase, provisionRoles } from '../../../services/kernel/postgres/roles.ts'
import { ownTestServer } from '../../support/postgres.ts'
import { query } from '../../support/query.ts'

t.setTimeout(300_000)

const newPasswords = (): LoginPasswords => {
  const password = () => newPassword(systemRandomness)
  return { migrate: password(), writer: password(), feed: password(), query: password() }
}

const connect = async (test: Test, url: string) => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  test.teardown(() => client.end())
  return client
}

t.test('roles are made once by many at once, beside a migration that makes the groups', async (t) => {
  const server = await ownTestServer(t)
  const { adminUrl } = await server.createDatabase()
  const names = [...Object.values(loginRoles), ...Object.values(groupRoles)]
  const databases = (await query<{ datname: string }>(adminUrl, `select datname from pg_database where datname like 'test\\_%'`)).map(
    (row) => row.datname,
  )
  const maintenance = new URL(adminUrl)
  maintenance.pathname = '/postgres'
  for (const database of databases) await query(maintenance.href, `drop database ${database} with (force)`)
  await query(maintenance.href, `drop role ${names.join(', ')}`)

  const provisioners = await Promise.all(Array.from({ length: 4 }, () => connect(t, maintenance.href)))
  const migration = await connect(t, maintenance.href)
  const makeGroups = Object.values(groupRoles).map((role) =>
    migration.query(`create role ${role} nologin`).catch((thrown: pg.DatabaseError) => thrown.code),
  )
  const passwords = newPasswords()
  await Promise.all([...provisioners.map((client) => provisionRoles(client, passwords)), ...makeGroups])
  for (const client of provisioners) await provisionDatabase(client, 'clinic "of" Łódź')

  const members = await query(
    maintenance.href,
    `select r.rolname as role, m.rolname as member from pg_auth_members a join pg_roles r on r.oid = a.roleid join pg_roles m on m.oid = a.member
     where r.rolname like 'chartwarden%' order by 1`,
  )
  t.strictSame(
    members.map((row) => ({ ...row })),
    [
      { role: 'chartwarden_append', member: 'chartwarden_owner' },
      { role: 'chartwarden_feed', member: 'chartwarden_feed_login' },
      { role: 'chartwarden_owner', member: 'chartwarden_migrator' },
      { role: 'chartwarden_query', member: 'chartwarden_query_login' },
      { role: 'chartwarden_writer', member: 'chartwarden_writer_login' },
    ],
  )
  const url = new URL(maintenance)
  url.pathname = `/${encodeURIComponent('clinic "of" Łódź')}`
  url.username = loginRoles.writer
  url.password = passwords.writer
  t.strictSame(await query(url.href, 'select current_database() as name'), [{ name: 'clinic "of" Łódź' }])

  const stranger = new URL(url)
  await query(maintenance.href, `create role stranger login password 'x'`)
  stranger.username = 'stranger'
  stranger.password = 'x'
  await t.rejects(query(stranger.href, 'select 1'), { code: '42501' }, 'nobody else may connect')
})

t.test('a later provisioning changes the passwords and takes back what a login was given beside its group', async (t) => {
  const server = await ownTestServer(t)
  const { adminUrl, writerUrl } = await server.createDatabase()
  await query(adminUrl, `alter role ${loginRoles.writer} superuser createrole bypassrls`)
  const client = await connect(t, adminUrl)
  const passwords = newPasswords()
  await provisionRoles(client, passwords)
  await t.rejects(query(writerUrl, 'select 1'), { code: '28P01' }, 'the old password is void')
  const url = new URL(writerUrl)
  url.password = passwords.writer
  t.strictSame(await query(url.href, 'select rolsuper, rolcreaterole, rolbypassrls from pg_roles where rolname = session_user'), [
    { rolsuper: false, rolcreaterole: false, rolbypassrls: false },
  ])
})
