import t from 'tap'
import { type CellName, cellNames, cellsOf, type Round } from '../../bench/measure/cells.ts'
import { type HistoryPages, historyPages } from '../../bench/measure/history.ts'
import { historyRatioOf, loadRatiosOf } from '../../bench/measure/ratios.ts'
import type { Measured } from '../../bench/measure/statistics.ts'

const round = (rates: Partial<Record<CellName, number>>, p50Ms: Partial<Record<CellName, number>> = {}): Round =>
  Object.fromEntries(
    cellNames.map((name): [CellName, Measured] => [name, { perSecond: rates[name] ?? 100, p50Ms: p50Ms[name] ?? 1, p99Ms: 9 }]),
  ) as Round

t.test('a ratio divides ours by theirs, and the time of a lone check by both parts of its floor', (t) => {
  const rates = { check: 50, cerbos: 200, echo: 500, stream: 300, cerbos_single: 150, inserts: 1_000, batch: 600, cerbos_batch: 400 }
  const ratios = loadRatiosOf([round(rates, { check_alone: 3, insert_alone: 1, echo_alone: 0.5 })])
  t.same(Object.fromEntries(Object.entries(ratios).map(([name, { value }]) => [name, value])), {
    unary_vs_cerbos: 0.25,
    stream_vs_cerbos: 2,
    batch_vs_cerbos: 1.5,
    unary_vs_echo: 0.1,
    stream_vs_inserts: 0.3,
    lone_check_vs_floor: 2,
  })
  t.end()
})

t.test('a machine that is slow for a whole round does not move a ratio', (t) => {
  const [fast, slow] = [round({ check: 100, cerbos: 200 }), round({ check: 10, cerbos: 20 })]
  t.same(loadRatiosOf([fast, slow, fast]).unary_vs_cerbos.value, 0.5)
  const disturbed = round({ check: 10, cerbos: 200 })
  const { value, lowest, highest } = loadRatiosOf([fast, disturbed, fast]).unary_vs_cerbos
  t.same([value, lowest, highest], [0.5, 0.05, 0.5])
  t.end()
})

t.test('the ratio of the report is named after its sizes, and is of all pages together', (t) => {
  const pages = (first: number): HistoryPages =>
    Object.fromEntries(
      Object.keys(historyPages).map((page, index) => [page, { perSecond: 1, p50Ms: index === 0 ? first : 1, p99Ms: 1 }]),
    ) as HistoryPages
  const [name, ratio] = historyRatioOf(100_000, 10_000_000, [{ small: pages(1), large: pages(7) }])
  t.equal(name, 'history_10m_vs_100k')
  t.equal(ratio.value, 2)
  t.match(ratio.definition, /10,000,000 rows .* 100,000/)
  t.equal(historyRatioOf(100_000, 1_000_000, [{ small: pages(1), large: pages(1) }])[0], 'history_1m_vs_100k')
  t.equal(historyRatioOf(1_500, 250_000, [{ small: pages(1), large: pages(1) }])[0], 'history_250k_vs_1500')
  t.end()
})

t.test('a cell over all rounds has the middle of each figure', (t) => {
  const { check } = cellsOf([round({ check: 30 }), round({ check: 10 }), round({ check: 20 })])
  t.same(check.perSecond, { median: 20, lowest: 10, highest: 30 })
  t.end()
})
