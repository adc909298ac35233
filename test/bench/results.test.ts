import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv } from 'ajv'
import t from 'tap'
import { cellNames } from '../../bench/measure/cells.ts'
import { pageOf } from '../../bench/measure/page.ts'
import { loadRatios } from '../../bench/measure/ratios.ts'
import type { Results } from '../../bench/measure/results.ts'

const directory = path.resolve(import.meta.dirname, '../../bench/results')

const positive = { type: 'number', exclusiveMinimum: 0 }
const text = { type: 'string', minLength: 1 }
const object = (properties: Readonly<Record<string, object>>, others: object | boolean = false) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: others,
})
const spread = object({ median: positive, lowest: positive, highest: positive })
const ratio = object({ value: positive, lowest: positive, highest: positive, better: { enum: ['higher', 'lower'] }, definition: text })
const disk = object({ entries: positive, bytesPerEntry: positive, tables: { type: 'array', minItems: 1 } })
const reportSize = object({ rows: positive, fillSeconds: positive, tableBytesPerRow: positive, indexBytesPerRow: positive })
const survival = object({ answered: positive, recorded: { type: 'number', minimum: 0 } })
const cell = object({ what: text, perSecond: spread, p50Ms: spread, p99Ms: spread })
const each = (names: readonly string[], schema: object) => Object.fromEntries(names.map((name) => [name, schema]))
const loadNames = Object.keys(loadRatios)

/** What readers of `latest.json` may rely on. */
const schema = object({
  command: text,
  date: { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT' },
  commit: text,
  form: { enum: ['short', 'long'] },
  tookSeconds: positive,
  hardware: object({ cpu: text, cores: positive, memoryGiB: positive, system: text }),
  versions: object(each(['node', 'postgres', 'grpcJs', 'cerbos', 'h2load'], text)),
  settings: { type: 'object' },
  ratios: object({ ...each(loadNames, positive), history_10m_vs_100k: { type: ['number', 'null'] } }, { type: 'number' }),
  ratioDetails: object(each(loadNames, ratio), ratio),
  cells: object(each(cellNames, cell)),
  readModelsBehindMs: { type: 'number' },
  history: object({ rounds: { type: 'array', minItems: 1 }, small: reportSize, large: reportSize, startMs: positive }),
  disk,
  starting: object({ freshMs: spread, againMs: spread, firstAnswerMs: spread }),
  loss: object({ chartwarden: survival, cerbos: survival }),
  memoryMiB: { type: 'object', additionalProperties: object({ idle: positive, highest: positive }) },
  projections: { type: 'object' },
  catchUp: object({ entries: positive, clinics: positive, bytesPerEntry: positive, entriesPerSecond: positive }),
  sealing_on_vs_off: positive,
  catch_up_entries_per_second: positive,
})
const isResults = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(schema)

const file = path.join(directory, 'latest.json')
/** Results of before logs were sealed have no figures of that. */
const none = !(existsSync(file) && readFileSync(file, 'utf8').includes('"sealing_on_vs_off"')) && 'none yet'
const latest = (): Results => JSON.parse(readFileSync(file, 'utf8')) as Results

t.test('the results in the repository have every figure and every ratio', { skip: none }, (t) => {
  t.equal(isResults(latest()), true, JSON.stringify(isResults.errors))
  t.end()
})

t.test('results that lack a ratio, a cell or a definition are refused', { skip: none }, (t) => {
  const { ratios, cells, ratioDetails } = latest()
  const without = <Value>(all: Readonly<Record<string, Value>>, name: string) =>
    Object.fromEntries(Object.entries(all).filter(([key]) => key !== name))
  t.equal(isResults({ ...latest(), ratios: without(ratios, 'history_10m_vs_100k') }), false)
  t.equal(isResults({ ...latest(), ratios: { ...ratios, unary_vs_echo: '0.3' } }), false)
  t.equal(isResults({ ...latest(), cells: without(cells, 'stream') }), false)
  t.equal(isResults({ ...latest(), ratioDetails: without(ratioDetails, 'unary_vs_cerbos') }), false)
  t.end()
})

t.test('the page beside them is of the same run', { skip: none }, (t) => {
  t.equal(readFileSync(path.join(directory, 'latest.md'), 'utf8'), pageOf(latest()))
  t.end()
})
