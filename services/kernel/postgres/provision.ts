import pg from 'pg'
import { type LoginPasswords, provisionDatabase, provisionRoles } from './roles.ts'

/** The one database of an embedded server. */
export const embeddedDatabase = 'chartwarden'

/** Makes roles, logins and the database of an embedded server, as its administrator. Safe to repeat. */
export const provision = async (adminUrl: (database: string) => string, passwords: LoginPasswords): Promise<void> => {
  const client = new pg.Client({ connectionString: adminUrl('postgres'), application_name: 'chartwarden-provision' })
  client.on('error', () => {})
  await client.connect()
  try {
    await provisionRoles(client, passwords)
    await provisionDatabase(client, embeddedDatabase)
  } finally {
    await client.end()
  }
}
