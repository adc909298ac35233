/** What the dashboard and the alert rules name exists, with the labels they name, and every alert leads to a runbook. */
import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import type { LabelValues, MetricRow } from '../../services/kernel/telemetry/metric-row.ts'
import { metricTable } from '../../services/observability/metric-table.ts'

const table: Readonly<Record<string, MetricRow>> = metricTable

/** Labels that Prometheus or its text format adds. */
const addedLabels = ['instance', 'job', 'le']

/** Metrics that Prometheus makes itself. */
const addedMetrics = ['up']

const selector = /\b([a-z][a-z0-9_]*(?:_[a-z0-9]+)+|up)\b(\{[^}]*\})?/g
const words = /^(?:histogram_quantile|label_values|humanize\w+|group_left|__rate_interval|__range)$/

/** A metric as the table names it: without what a histogram's series end in. */
const rowOf = (name: string): MetricRow | undefined => table[name] ?? histogramOf(name)

const histogramOf = (name: string): MetricRow | undefined => {
  const row = table[name.replace(/_(bucket|sum|count)$/, '')]
  return row?.kind === 'histogram' ? row : undefined
}

const matchers = (text: string): readonly (readonly [label: string, operator: string, value: string])[] =>
  [...text.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].map(([, label = '', operator = '', value = '']) => [label, operator, value])

const fits = (values: LabelValues, operator: string, value: string): boolean => {
  if (typeof values === 'string' || value.startsWith('$')) return true
  const wanted = operator.endsWith('~') ? new RegExp(`^(?:${value})$`) : undefined
  return wanted === undefined ? values.includes(value) : values.some((known) => wanted.test(known))
}

/** What an expression names that the table does not have. */
const faultsOf = (expression: string): readonly string[] => {
  const faults: string[] = []
  const used: MetricRow[] = []
  // Groupings and numbers go, so that what is left of names is metrics.
  const bare = expression.replace(/\bby\s*\([^)]*\)/g, ' ')
  for (const [, name = '', braces = ''] of bare.matchAll(selector)) {
    if (words.test(name) || addedMetrics.includes(name)) continue
    const row = rowOf(name)
    if (row === undefined) faults.push(`no metric ${name}`)
    else used.push(row)
    for (const [label, operator, value] of matchers(braces)) {
      if (addedLabels.includes(label)) continue
      const values = row?.labels[label]
      if (values === undefined) faults.push(`${name} has no label ${label}`)
      else if (!fits(values, operator, value)) faults.push(`${name}: no ${label} is ${value}`)
    }
  }
  if (used.length === 0 && !/\bup\b/.test(bare)) faults.push('no metric at all')
  for (const [, list = ''] of expression.matchAll(/\bby\s*\(([^)]*)\)/g)) {
    for (const label of list.split(',').map((text) => text.trim())) {
      if (!addedLabels.includes(label) && !used.some(({ labels }) => label in labels)) faults.push(`nothing has a label ${label}`)
    }
  }
  return faults
}

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly runbook: string }
}

const rules = (parse(readFileSync('deploy/observability/alerts.yaml', 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
)

interface Panel {
  readonly title: string
  readonly type: string
  readonly targets?: readonly { readonly expr: string }[]
}

const dashboard = JSON.parse(readFileSync('deploy/observability/grafana/dashboards/chartwarden.json', 'utf8')) as {
  readonly panels: readonly Panel[]
}

t.test('names follow the conventions', async (t) => {
  for (const [name, { kind, unit, meaning, labels, buckets }] of Object.entries(table)) {
    t.match(name, /^(chartwarden|process|nodejs)_[a-z0-9_]*[a-z0-9]$/)
    t.equal(name.endsWith('_total') && kind === 'counter', kind === 'counter', `${name}: counters end in _total, nothing else does`)
    if (unit === 's') t.match(name, /_seconds(_total)?$/, name)
    if (unit === 'By') t.match(name, /_bytes$/, name)
    t.match(meaning, /\.$/, name)
    t.equal(kind === 'histogram', buckets !== undefined, name)
    for (const label of Object.keys(labels)) t.notMatch(label, /clinic|person|patient|record|caller|subject|user/, `${name}: ${label}`)
  }
})

t.test('every alert is about metrics that exist, with a runbook that exists', async (t) => {
  t.ok(rules.length > 10)
  t.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  for (const { alert, expr, labels, annotations } of rules) {
    t.strictSame(faultsOf(expr), [], alert)
    t.match(labels.severity, /^(critical|warning|info)$/, alert)
    t.ok(existsSync(annotations.runbook), `${alert}: ${annotations.runbook}`)
    t.ok(readFileSync(annotations.runbook, 'utf8').includes(alert), `${annotations.runbook} speaks of ${alert}`)
  }
})

t.test('every panel of the dashboard is about metrics that exist', async (t) => {
  const panels = dashboard.panels.filter(({ type }) => type !== 'row')
  t.ok(panels.length > 20)
  for (const { title, targets = [] } of panels) {
    t.ok(targets.length > 0, title)
    for (const { expr } of targets) t.strictSame(faultsOf(expr), [], title)
  }
})

t.test('twin: a wrong name, label or value is found', async (t) => {
  t.strictSame(faultsOf('rate(chartwarden_decision_total[5m])'), ['no metric chartwarden_decision_total', 'no metric at all'])
  t.strictSame(faultsOf('chartwarden_ready{clinic="north"}'), ['chartwarden_ready has no label clinic'])
  t.strictSame(faultsOf('chartwarden_call_refusals_total{reason=~"FORGED"}'), ['chartwarden_call_refusals_total: no reason is FORGED'])
  t.strictSame(faultsOf('sum by (caller) (chartwarden_ready)'), ['nothing has a label caller'])
  t.strictSame(faultsOf('chartwarden_ready_bucket'), ['no metric chartwarden_ready_bucket', 'no metric at all'])
})
