import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { reportOption } from '../../../../cli/commands/report/report-options.ts'
import { type ReportItem, type ReportOptions, writeReport } from '../../../../cli/commands/report/report-output.ts'
import type { Io } from '../../../../cli/io.ts'
import type { Column } from '../../../../cli/output/column.ts'
import { rowFormatOf } from '../../../../cli/output/row-output.ts'
import type { Session } from '../../../../cli/session.ts'
import { systemClock } from '../../../../services/kernel/clock.ts'

const columns: readonly Column<string>[] = [{ name: 'id', value: (row) => row }]

const report = async (
  items: readonly ReportItem<string>[],
  json = false,
  format: 'csv' | 'ndjson' = 'csv',
  more: Partial<ReportOptions> = {},
) => {
  const out = new PassThrough()
  const err = new PassThrough()
  const printed = Promise.all([text(out), text(err)])
  const io = { out, err, outIsTerminal: false, errIsTerminal: false, clock: systemClock } as unknown as Io
  const session = { io, json, note: async (line: string) => void err.write(`${line}\n`) } as unknown as Session
  const source = async function* () {
    yield* items
  }
  const outcome = await writeReport(
    session,
    { clinic: 'c', ...(json ? {} : { format }), ...more },
    { columns, toJson: (row) => row, items: source() },
  )
  out.end()
  err.end()
  const [whole, told] = await printed
  return { outcome, out: whole, err: told }
}

t.test('a whole report says how many rows there were and to where it is complete', async (t) => {
  t.match(await report([{ row: 'a' }, { row: 'b' }, { completeToRevision: 9n }]), {
    outcome: 'ok',
    out: 'id\r\na\r\nb\r\n',
    err: '2 rows, complete to revision 9.\n',
  })
})

t.test('a report says that entries could not be read into it, to people and to programs', async (t) => {
  const items = [{ row: 'a' }, { completeToRevision: 9n, parkedEntries: 2n }]
  t.match(
    (await report(items)).err,
    /complete to revision 9\.\n2 entries of this clinic could not be read into this report.*chartwarden projections status/,
  )
  t.match((await report(items, false, 'ndjson')).out, '{"end":{"complete_to_revision":"9","parked_entries":"2","rows":1}}')
  t.match(JSON.parse((await report(items, true)).out), { parked_entries: '2' })
  t.notMatch((await report([{ row: 'a' }, { completeToRevision: 9n, parkedEntries: 0n }])).err, /could not be read/)
})

t.test('a report that was cut says so and is no success', async (t) => {
  t.match(await report([{ row: 'a' }]), { outcome: 'incomplete', out: 'id\r\na\r\n', err: /cut after 1 row/ })
  const machine = await report([{ row: 'a' }], true)
  t.equal(machine.outcome, 'incomplete')
  t.strictSame(JSON.parse(machine.out), { rows: ['a'], complete_to_revision: null })
  t.match(JSON.parse(machine.err), { error: { reason: 'INCOMPLETE', exit_code: 8 } })
})

t.test('saved ndjson tells a whole report from one that was cut', async (t) => {
  t.match(await report([{ row: 'a' }, { completeToRevision: 9n }], false, 'ndjson'), {
    out: '"a"\n{"end":{"complete_to_revision":"9","parked_entries":"0","rows":1}}\n',
  })
  t.match(await report([{ row: 'a' }], false, 'ndjson'), { outcome: 'incomplete', out: /^"a"\n$/ })
})

t.test('the ending of the file says the form, unless it is asked for', async (t) => {
  const form = (output: string | undefined, json = false) => rowFormatOf(output === undefined ? {} : { output }, json)
  t.same(
    ['a.csv', 'a.CSV', 'a.ndjson', 'a.json', 'a.txt', 'csv', undefined].map((name) => form(name)),
    ['csv', 'csv', 'ndjson', 'json', 'table', 'table', 'table'],
  )
  t.equal(rowFormatOf({ format: 'ndjson', output: 'a.csv' }, false), 'ndjson')
  t.equal(form('a.csv', true), 'json')
  await t.rejects(report([], true, 'csv', { format: 'csv' }), { reason: 'INVALID_ARGUMENT', message: /--json/ })
})

t.test('what the service says should be looked at is told, to people and to programs', async (t) => {
  const items = [{ completeToRevision: 9n, notes: ['no entry names staff:nobody'] }]
  t.match(await report(items), { outcome: 'ok', err: /Note: no entry names staff:nobody\n/ })
  const machine = await report(items, true)
  t.match(JSON.parse(machine.out), { rows: { length: 0 }, notes: ['no entry names staff:nobody'] })
  t.notOk('notes' in (JSON.parse((await report([{ completeToRevision: 9n }], true)).out) as object), 'twin: nothing to say')
})

t.test('a refused field is named as the option it was typed as', (t) => {
  t.same(
    ['account_scope.until', 'filter.patient_id', 'subject.type', 'on_behalf_of.session.issued_at', 'summary.time_zone', 'page_size'].map(
      reportOption,
    ),
    ['--until', '--patient', '--subject', '--on-behalf-of', '--time-zone', 'page_size'],
  )
  t.end()
})
