/** The read models stand still: their tables are locked. Decisions do not depend on them. */
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { openEmbeddedSubject } from '../embedded-subject.ts'
import { busyCallers } from '../kill-in-turn.ts'
import { conclude, during, type Scenario } from '../scenario.ts'

const name = 'slow projections'

const tablesQuery = `
  select string_agg(format('%I.%I', schemaname, tablename), ', ') as tables
  from pg_catalog.pg_tables where schemaname like 'chartwarden\\_read\\_%'`

export const slowProjections: Scenario = {
  name,
  run: async ({ scratch, pauseMs }) => {
    await using stack = new AsyncDisposableStack()
    const subject = await openEmbeddedSubject(stack, { stateDir: path.join(scratch, 'slow') })
    const superuser = new pg.Client({ connectionString: await subject.adminUrl() })
    superuser.on('error', () => {})
    await superuser.connect()
    stack.defer(() => superuser.end())
    const load = subject.load({ callers: busyCallers })
    await load.nextAnswer()
    let meanwhile = 0
    const moment = await during(load, `read models locked for ${pauseMs / 1_000} s`, async () => {
      await superuser.query('begin')
      const { rows } = await superuser.query<{ readonly tables: string }>(tablesQuery)
      await superuser.query(`lock table ${rows[0]?.tables} in exclusive mode`)
      const before = load.answers.length
      await delay(pauseMs)
      meanwhile = load.answers.length - before
      await superuser.query('rollback')
    })
    await delay(500)
    return await conclude({
      name,
      what: `The tables of all read models are locked for ${pauseMs / 1_000} s.`,
      subject,
      load,
      moments: [moment],
      seen: [`${meanwhile} questions were answered meanwhile; the reports came up with the ledger afterwards.`],
      problems: meanwhile === 0 ? ['nobody was answered while the read models stood still'] : [],
    })
  },
}
