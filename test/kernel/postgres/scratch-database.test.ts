import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import t from 'tap'
import { systemClock } from '../../../services/kernel/clock.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { createLogger } from '../../../services/kernel/logging.ts'
import { serverProcesses } from '../../../services/kernel/postgres/leftovers.ts'
import { openScratchDatabase } from '../../../services/kernel/postgres/scratch-database.ts'
import { ownTestServer } from '../../support/postgres.ts'
import { openPool } from '../../support/postgres-engine.ts'
import { scratchDirectory } from '../../support/service.ts'

const parts = { logger: createLogger({ level: 'fatal' }), clock: systemClock, randomness: systemRandomness }

/** Makes something in it, and answers what it is called. */
const asked = async (url: string): Promise<string> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query('create table made ()')
    const { rows } = await client.query<{ name: string }>('select current_database() as name')
    return rows[0]?.name ?? ''
  } finally {
    await client.end()
  }
}

t.test('on a server that is named', async (t) => {
  const server = await ownTestServer(t)
  const database = await server.createDatabase()
  const admin = openPool(t, database.adminUrl, { max: 2 })
  const names = async (): Promise<readonly string[]> =>
    (
      await admin.query<{ name: string }>(`select datname as name from pg_database where starts_with(datname, 'chartwarden_scratch_')`)
    ).rows.map(({ name }) => name)
  const open = (serverUrl = database.adminUrl) => openScratchDatabase({ ...parts, serverUrl, directory: '/nowhere' })

  await t.test('one is made, and gone when it is closed, whoever is connected', async (t) => {
    const scratch = await open()
    t.same(await names(), [await asked(scratch.url)])
    const client = new pg.Client({ connectionString: scratch.url })
    client.on('error', () => {})
    await client.connect()
    await Promise.all([scratch.close(), scratch.close()])
    t.same(await names(), [])
    await client.end()
  })

  await t.test('one at a time, and what a killed process left goes with the next', async (t) => {
    await admin.query('create database chartwarden_scratch_0123456789abcdef')
    const scratch = await open()
    t.equal((await names()).length, 1)
    await t.rejects(open(), { name: 'StartError', mayPass: true, message: /in use/ })
    await scratch.close()
    await (await open()).close()
    t.same(await names(), [])
  })

  await t.test('one at a time of a server, whichever of its databases is named', async (t) => {
    const other = await server.createDatabase()
    const scratch = await open()
    await t.rejects(open(other.adminUrl), { name: 'StartError', mayPass: true, message: /in use/ })
    t.same(await names(), [await asked(scratch.url)], 'the one in use is still there')
    await scratch.close()
    await (await open(other.adminUrl)).close()
    await other.close()
  })

  await t.test('a login that may not, and a server that is not there, are said to be so without a password', async (t) => {
    await t.rejects(open(database.writerUrl), { name: 'StartError', message: /needs CREATEDB/ })
    const thrown = await open('postgresql://nobody:secret@127.0.0.1:1/none').catch((error: unknown) => String(error))
    t.match(thrown, 'cannot be reached')
    t.notMatch(thrown, 'secret')
  })
})

t.test('in a directory of its own', async (t) => {
  const directory = path.join(scratchDirectory(t, 'scratch'), 'drill')
  const data = path.join(directory, 'postgres', 'data')
  const open = () => openScratchDatabase({ ...parts, serverUrl: undefined, directory })
  const runs = (pid: number): boolean => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }

  const script = `
    import { openScratchDatabase } from './services/kernel/postgres/scratch-database.ts'
    import { systemClock as clock } from './services/kernel/clock.ts'
    import { systemRandomness as randomness } from './services/kernel/ids.ts'
    import { createLogger } from './services/kernel/logging.ts'
    const logger = createLogger({ level: 'fatal' })
    await openScratchDatabase({ serverUrl: undefined, directory: process.env.DIRECTORY, logger, clock, randomness })
    console.log('open')
    setInterval(() => {}, 1_000)`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
    cwd: path.resolve(import.meta.dirname, '../../..'),
    env: { ...process.env, DIRECTORY: directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  await t.rejects(open(), { name: 'StartError', mayPass: true, message: /another scratch database/ }, 'one at a time')
  const left = serverProcesses(data).map(({ pid }) => pid)
  t.ok(left.length > 0)
  child.kill('SIGKILL')
  await once(child, 'exit')

  const scratch = await open()
  t.same(left.filter(runs), [], 'what a killed process left is gone')
  t.equal(await asked(scratch.url), 'chartwarden')
  const own = serverProcesses(data).map(({ pid }) => pid)
  await scratch.close()
  t.equal(existsSync(path.join(directory, 'postgres')), false)
  t.same(own.filter(runs), [])
})

t.test('a server of its own is not begun where the disk has no room for it', async (t) => {
  const directory = path.join(scratchDirectory(t, 'scratch-full'), 'drill')
  const asked: string[] = []
  const freeBytes = async (place: string): Promise<number> => {
    asked.push(place)
    return 600 * 2 ** 20
  }
  const open = (bytes: number) => openScratchDatabase({ ...parts, serverUrl: undefined, directory, bytes, freeBytes })
  await t.rejects(open(100 * 2 ** 20), { name: 'StartError', message: /needs 612 MiB free in .*, and there are 600\./ })
  t.same(asked, [directory])
  t.equal(existsSync(path.join(directory, 'postgres')), false)
  const scratch = await open(80 * 2 ** 20)
  await scratch.close()
})
