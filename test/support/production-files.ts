import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type pg from 'pg'
import { selfSigned } from './certificate.ts'
import { keySetOf, signingKey } from './signing-key.ts'

export interface ProductionFiles {
  readonly masterKey: string
  readonly tlsCert: string
  readonly tlsKey: string
  readonly jwks: string
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
  return {
    masterKey: write('master.key', randomBytes(32).toString('base64')),
    tlsCert: write('tls.crt', cert),
    tlsKey: write('tls.key', key),
    jwks: write('jwks.json', JSON.stringify(keySetOf(signingKey('a')))),
    write,
  }
}

const deployFile = (file: string): URL => new URL(`../../deploy/${file}`, import.meta.url)

export const readDeployFile = (file: string): string => readFileSync(deployFile(file), 'utf8')

/** Runs deploy/postgres.sql. CREATE DATABASE must be sent by itself, so each statement is. */
export const runPostgresSql = async (admin: pg.Client): Promise<void> => {
  const statements = readDeployFile('postgres.sql')
    .replaceAll(/--.*$/gm, '')
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
  for (const statement of statements) await admin.query(statement)
}
