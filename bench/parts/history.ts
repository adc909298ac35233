/** Pages of the report of accesses, in a clinic with few and in one with many, each in a service and a database of its own. */
import pg from 'pg'
import { ReportService } from '../../proto/gen/chartwarden/report/v1/report_service_pb.js'
import { createGrpcClient } from '../../services/kernel/grpc/client.ts'
import { askOnce, registerClinics } from '../clinics.ts'
import { createLedgerGrowth } from '../ledger-growth.ts'
import { clinicName, drawQuestions, personName } from '../load/questions.ts'
import { type HistoryPage, type HistoryPages, type HistoryRound, historyPages } from '../measure/history.ts'
import { type Measured, measuredOf } from '../measure/statistics.ts'
import { type BenchService, serviceDatabase, startService } from '../service.ts'
import { measureTable } from './disk.ts'
import { fillHistory, leaveRoom } from './history-fill.ts'

export interface HistorySettings {
  readonly small: number
  readonly large: number
  readonly rounds: number
  /** Calls of each page in a round. */
  readonly calls: number
}

export interface ReportSize {
  readonly rows: number
  readonly fillSeconds: number
  readonly tableBytesPerRow: number
  readonly indexBytesPerRow: number
}

/** A clinic with its years of accesses. */
interface Filled {
  readonly service: BenchService
  readonly size: ReportSize
  measure(): Promise<HistoryPages>
}

export interface HistoryResult {
  readonly rounds: readonly HistoryRound[]
  readonly small: ReportSize
  readonly large: ReportSize
  /** Start of the service over the large report. */
  readonly startMs: number
}

const practice = { clinics: 1, people: 40, patients: 200, questions: 4_000 }
const pageSize = 100
const laterPage = 4
const warmUpCalls = 10

/** The value that comes most often, so that its pages are full at every size. */
const mostFrequent = (values: readonly string[]): string => {
  const counts = Map.groupBy(values, (value) => value)
  return [...counts].reduce((most, next) => (next[1].length > most[1].length ? next : most))[0]
}

const startFilled = async (stateDir: string, rows: number, calls: number): Promise<Filled> => {
  const service = await startService({ stateDir })
  const database = new pg.Pool({ connectionString: service.adminUrl(serviceDatabase) })
  const questions = drawQuestions(practice, 2)
  const clinic = clinicName(0)
  try {
    await registerClinics(service, [{ clinic, people: Array.from({ length: practice.people }, (_, index) => personName(index)) }])
    const growth = createLedgerGrowth(database)
    await growth.waitForReadModels()
    await leaveRoom(database, { clinic, rows })
    await askOnce(service, questions)
    await growth.waitForReadModels()
    const started = performance.now()
    const table = await fillHistory(database, { clinic, rows })
    const fillSeconds = (performance.now() - started) / 1_000
    const { tableBytes, indexBytes } = await measureTable(database, table)
    const size = { rows, fillSeconds, tableBytesPerRow: tableBytes / rows, indexBytesPerRow: indexBytes / rows }

    const reports = createGrpcClient(ReportService, { address: service.address, token: service.token([clinic], ['report.read']) })
    const day = 86_400
    const now = Math.floor(Date.now() / 1_000)
    const filters = {
      patient: { patientId: mostFrequent(questions.map(({ patient }) => patient)) },
      subject: { subject: { type: 'staff', id: mostFrequent(questions.map(({ person }) => person)) } },
      // The half year before the last: neither end of the report.
      time: { from: { seconds: BigInt(now - 365 * day) }, until: { seconds: BigInt(now - 182 * day) } },
    }
    const page = async (filter: keyof typeof filters, pageToken: string) => {
      const answer = await reports.accessHistory({ clinic, filter: filters[filter], pageSize, pageToken })
      if (answer.rows.length !== pageSize) throw new Error(`a page of ${pageSize} had ${answer.rows.length} rows`)
      return answer.nextPageToken
    }
    const laterToken = async (filter: keyof typeof filters): Promise<string> => {
      let token = ''
      for (let index = 1; index < laterPage; index += 1) token = await page(filter, token)
      return token
    }
    const measurePage = async (name: HistoryPage): Promise<Measured> => {
      const [filter, which] = name.split('_') as [keyof typeof filters, 'first' | 'later']
      const token = which === 'first' ? '' : await laterToken(filter)
      for (let index = 0; index < warmUpCalls; index += 1) await page(filter, token)
      const latencies: number[] = []
      const begin = performance.now()
      for (let index = 0; index < calls; index += 1) {
        const called = performance.now()
        await page(filter, token)
        latencies.push(performance.now() - called)
      }
      return measuredOf(calls, (performance.now() - begin) / 1_000, latencies)
    }
    return {
      service: {
        ...service,
        stop: async () => {
          reports.disconnect()
          await service.stop()
        },
      },
      size,
      measure: async () => {
        const pages: Partial<Record<HistoryPage, Measured>> = {}
        for (const name of Object.keys(historyPages) as HistoryPage[]) pages[name] = await measurePage(name)
        return pages as HistoryPages
      },
    }
  } catch (thrown) {
    await service.stop()
    throw thrown
  } finally {
    await database.end()
  }
}

export interface HistoryOptions {
  readonly settings: HistorySettings
  /** A directory for each of the two services. */
  readonly stateDirs: { readonly small: string; readonly large: string }
  readonly say: (text: string) => void
}

export const runHistory = async ({ settings, stateDirs, say }: HistoryOptions): Promise<HistoryResult> => {
  const { calls } = settings
  const fill = async (size: 'small' | 'large'): Promise<Filled> => {
    say(`a report of ${settings[size].toLocaleString('en')} rows is made`)
    return startFilled(stateDirs[size], settings[size], calls)
  }
  await using started = new AsyncDisposableStack()
  const stopAtEnd = (filled: Filled): Filled => started.adopt(filled, ({ service }) => service.stop())
  const small = stopAtEnd(await fill('small'))
  const large = await fill('large')
  const rounds: HistoryRound[] = []
  try {
    for (let index = 0; index < settings.rounds; index += 1) {
      const first = index % 2 === 0 ? small : large
      const firstPages = await first.measure()
      const otherPages = await (first === small ? large : small).measure()
      rounds.push(first === small ? { small: firstPages, large: otherPages } : { small: otherPages, large: firstPages })
      say(`round ${index + 1} of the report's pages`)
    }
  } finally {
    await large.service.stop()
  }
  const again = await startService({ stateDir: stateDirs.large })
  await again.stop()
  return { rounds, small: small.size, large: large.size, startMs: again.readyMs }
}
