import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { type ReportItem, type ReportOptions, writeReport } from '../../../../cli/commands/report/report-output.ts'
import type { Io } from '../../../../cli/io.ts'
import type { Column } from '../../../../cli/output/column.ts'
import type { Session } from '../../../../cli/session.ts'
import { systemClock } from '../../../../services/kernel/clock.ts'

const columns: readonly Column<string>[] = [{ name: 'id', value: (row) => row }]

const report = async (items: readonly ReportItem<string>[], json = false, format: ReportOptions['format'] = 'csv') => {
  const out = new PassThrough()
  const err = new PassThrough()
  const printed = Promise.all([text(out), text(err)])
  const io = { out, err, outIsTerminal: false, errIsTerminal: false, clock: systemClock } as unknown as Io
  const session = { io, json, note: async (line: string) => void err.write(`${line}\n`) } as unknown as Session
  const source = async function* () {
    yield* items
  }
  const outcome = await writeReport(session, { clinic: 'c', format }, { columns, toJson: (row) => row, items: source() })
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

t.test('a report that was cut says so and is no success', async (t) => {
  t.match(await report([{ row: 'a' }]), { outcome: 'incomplete', out: 'id\r\na\r\n', err: /cut after 1 row/ })
  const machine = await report([{ row: 'a' }], true)
  t.equal(machine.outcome, 'incomplete')
  t.strictSame(JSON.parse(machine.out), { rows: ['a'], complete_to_revision: null })
  t.match(JSON.parse(machine.err), { error: { reason: 'INCOMPLETE', exit_code: 8 } })
})

t.test('saved ndjson tells a whole report from one that was cut', async (t) => {
  t.match(await report([{ row: 'a' }, { completeToRevision: 9n }], false, 'ndjson'), {
    out: '"a"\n{"end":{"complete_to_revision":"9","rows":1}}\n',
  })
  t.match(await report([{ row: 'a' }], false, 'ndjson'), { outcome: 'incomplete', out: /^"a"\n$/ })
})
