import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import type { Test } from 'tap'
import { groupRoles, loginRoles } from '../../services/kernel/postgres/roles.ts'
import { selfSigned } from './certificate.ts'
import { ownTestServer } from './postgres.ts'
import type { TestServer } from './postgres-server.ts'
import { keySetOf, type SigningKey, signingKey } from './signing-key.ts'

export interface ProductionFiles {
  readonly masterKey: string
  readonly tlsCert: string
  readonly tlsKey: string
  readonly jwks: string
  /** The one key of these. */
  readonly tokenKey: SigningKey
  /** Writes another one beside them; returns its path. */
  write(name: string, text: string | Buffer): string
}

/** What an operator puts on a machine, readable by every account of it: the tests run services as accounts of no one. */
export const productionFiles = (directory: string): ProductionFiles => {
  mkdirSync(directory, { recursive: true })
  chmodSync(directory, 0o755)
  const write = (name: string, text: string | Buffer): string => {
    const file = path.join(directory, name)
    writeFileSync(file, text, { mode: 0o644 })
    return file
  }
  const { cert, key } = selfSigned()
  const tokenKey = signingKey('a')
  return {
    masterKey: write('master.key', randomBytes(32).toString('base64')),
    tlsCert: write('tls.crt', cert),
    tlsKey: write('tls.key', key),
    jwks: write('jwks.json', JSON.stringify(keySetOf(tokenKey))),
    tokenKey,
    write,
  }
}

const deployFile = (file: string): URL => new URL(`../../deploy/${file}`, import.meta.url)

export const readDeployFile = (file: string): string => readFileSync(deployFile(file), 'utf8')

/** CREATE DATABASE must be sent by itself, so each statement is. */
const statements = (sql: string): readonly string[] =>
  sql
    .replaceAll(/--.*$/gm, '')
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')

/** A server of the test's own that has nothing of ours but what deploy/postgres.sql makes, and its superuser. */
export const serverOfPostgresSql = async (test: Test): Promise<{ readonly server: TestServer; readonly admin: pg.Client }> => {
  const server = await ownTestServer(test)
  const made = await server.createDatabase()
  await made.close()
  const admin = new pg.Client({ connectionString: new URL('/postgres', made.adminUrl).href })
  await admin.connect()
  test.teardown(() => admin.end())
  // The test server comes with roles of its own; the file must make all it needs.
  await admin.query(`drop role ${[...Object.values(loginRoles), ...Object.values(groupRoles)].join(', ')}`)
  for (const statement of statements(readDeployFile('postgres.sql'))) await admin.query(statement)
  return { server, admin }
}
