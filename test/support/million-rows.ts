/** Writes so many rows as a report does, in a process of its own: `node million-rows.ts <rows> <format> [<output>]`. Says its peak memory on stderr. */
import { writeReport } from '../../cli/commands/report/report-output.ts'
import type { Io } from '../../cli/io.ts'
import type { RowOutputOptions } from '../../cli/output/row-output.ts'
import type { Session } from '../../cli/session.ts'
import { systemClock } from '../../services/kernel/clock.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'

const [rows = '0', format = 'csv', output] = process.argv.slice(2)
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

const io = {
  environment: {},
  out: process.stdout,
  err: process.stderr,
  outIsTerminal: false,
  errIsTerminal: false,
  clock: systemClock,
  randomness: systemRandomness,
} satisfies Io
const session = { io, json: format === 'json', note: async () => {} } as unknown as Session

const source = async function* () {
  for (let row = 0; row < Number(rows); row += 1) yield { row: { id: `row-${row}`, reason: '=HYPERLINK("x")\nand more of it' } }
  yield { completeToRevision: 7n }
}

const options = {
  clinic: 'c',
  ...(format === 'json' ? {} : { format }),
  ...(output === undefined ? {} : { output }),
} as RowOutputOptions & { clinic: string }
const outcome = await writeReport(session, options, {
  columns: [
    { name: 'id', value: (row: { id: string }) => row.id },
    { name: 'reason', value: (row: { reason: string }) => row.reason },
  ],
  toJson: (row) => row,
  items: source(),
})
process.stderr.write(`${outcome} ${process.resourceUsage().maxRSS}\n`)
