/** The generated pages of docs/reference, each from the table that the code itself works by. */
import type { Command } from 'commander'
import { exitCodes } from '../cli/exit-codes.ts'
import { createProgram } from '../cli/program.ts'
import openapi from '../proto/openapi.json' with { type: 'json' }
import { reasonCodes } from '../services/access/reasons.ts'
import { configVariables } from '../services/kernel/config.ts'
import { errorCatalogue, errorMetadata, grpcCode } from '../services/kernel/errors.ts'
import { methodRules, type PersonNeeds, scopes } from '../services/kernel/scopes.ts'
import { type LabelValues, type MetricRow, otherValue } from '../services/kernel/telemetry/metric-row.ts'
import { metricTable } from '../services/observability/metric-table.ts'

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '\\<')
const code = (text: string): string => `\`${text}\``

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows.map((row) => row.map(cell))].map((row) => `| ${row.join(' | ')} |`).join('\n')

const page = (title: string, source: string, ...parts: readonly string[]): string =>
  [`# ${title}`, `<!-- Generated from ${source} by \`npm run generate\`. Do not edit. -->`, ...parts].join('\n\n').concat('\n')

const defaults = ({ development, production }: Readonly<Record<'development' | 'production', string | undefined>>): string => {
  const show = (value: string | undefined): string => (value === undefined ? 'unset' : code(value))
  return development === production ? show(development) : `${show(development)}; production: ${show(production)}`
}

const configuration = (): string =>
  page(
    'Configuration',
    'services/kernel/config-variables.ts',
    'The service is configured by environment variables only. An empty variable counts as unset. A wrong value, or an unknown name that begins with `CHARTWARDEN_`, stops the start with one line.',
    table(
      ['Variable', 'Meaning', 'Must be', 'Unit', 'Default', 'In production'],
      configVariables.map((variable) => [
        code(variable.name),
        `${variable.meaning}${variable.secret ? ' Secret: never printed.' : ''}`,
        variable.allowed,
        variable.unit ?? '',
        defaults(variable.default),
        variable.requiredInProduction ? 'required' : '',
      ]),
    ),
  )

const grpcName = (number: number): string =>
  (Object.entries(grpcCode).find(([, value]) => value === number)?.[0] ?? String(number)).replace(/[A-Z]/g, '_$&').toUpperCase()

const errors = (): string =>
  page(
    'Errors',
    'services/kernel/errors.ts',
    'Every call that a method of the contract refuses or fails carries a `google.rpc.ErrorInfo` whose `reason` is from this table; faults of single fields are named in `google.rpc.BadRequest`. What the gRPC library answers in place of the method has a bare status without details: RESOURCE_EXHAUSTED for a request that is too large (as `MESSAGE_TOO_LARGE`), UNIMPLEMENTED for a method or compression that is not offered (as `UNIMPLEMENTED`), DEADLINE_EXCEEDED when the deadline that the caller named has passed, CANCELLED when the caller has given up, INTERNAL for bytes that are no gRPC message. Health and reflection answer with bare statuses too. A reason never changes its meaning. "Retry" says that the same call, with the same `request_id`, may succeed later.',
    table(
      ['Reason', 'gRPC', 'HTTP', 'Retry', 'Message'],
      Object.entries(errorCatalogue).map(([reason, row]) => [
        code(reason),
        grpcName(row.grpc),
        String(row.http),
        row.retry ? 'yes' : 'no',
        row.message,
      ]),
    ),
    '## What else stands in ErrorInfo',
    '`metadata` of the `google.rpc.ErrorInfo` holds text under these keys. Over HTTP it stands in `metadata` of the problem document, and the correlation id beside it. The command line prints it in words, and under `metadata` with `--json`.',
    table(
      ['Key', 'Meaning'],
      Object.entries(errorMetadata).map(([key, meaning]) => [code(key), meaning]),
    ),
    '## Reason codes',
    'Of decisions, in answers, entries and `reason_code` above. A code never changes its meaning.',
    table(
      ['Code', 'Meaning'],
      Object.entries(reasonCodes).map(([reason, meaning]) => [code(reason), meaning]),
    ),
  )

const needs = (person: PersonNeeds): string => {
  if (person === 'nothing') return ''
  if (person === 'share_of_each_type') return '`share` on each resource type shared'
  if (person === 'own_or_review') return 'nothing for an emergency access of their own; else `review` on `emergency_access`'
  return `${code(person.action)} on ${code(person.resourceType)}`
}

/** Where a method stands over HTTP; empty for one that streams requests. */
const address = (method: string): string => {
  const [path] = Object.entries(openapi.paths).find(([, route]) => 'post' in route && route.post['x-grpc-method'] === method) ?? []
  return path === undefined ? '' : code(path)
}

const scopesAndMethods = (): string =>
  page(
    'Scopes and methods',
    'services/kernel/scopes.ts',
    'What a token may be for: its `scope` claim, separated by spaces.',
    table(
      ['Scope', 'Meaning'],
      Object.entries(scopes).map(([scope, meaning]) => [code(scope), meaning]),
    ),
    'What each method needs: a scope of the token and, where a person is named in `on_behalf_of`, a permission on that person’s own roles.',
    table(
      ['Method', 'Over HTTP, `POST`', 'Scope', 'The person named needs'],
      Object.entries(methodRules).map(([method, rule]) => [code(method), address(method), code(rule.scope), needs(rule.person)]),
    ),
  )

const labelValues = (values: LabelValues): string => (typeof values === 'string' ? values : [...values, otherValue].map(code).join(', '))

const metrics = (): string =>
  page(
    'Metrics',
    'services/observability/metric-table.ts',
    'What `GET /metrics` at `CHARTWARDEN_METRICS_ADDR` shows in the text format of Prometheus, and what is sent by OTLP under the same names. Labels have only the values listed; anything else is `other`. No label names a clinic, person, patient, record or caller. A histogram has the series `_bucket`, `_sum` and `_count`. With `CHARTWARDEN_WORKERS`, every series has the label `worker` too: `background`, or the number of a process that answers. How to read them: [observe it](../how-to/observe.md).',
    table(
      ['Metric', 'Kind', 'Unit', 'Labels', 'Meaning'],
      Object.entries<MetricRow>(metricTable).map(([name, row]) => [
        code(name),
        row.kind,
        row.unit,
        Object.keys(row.labels).map(code).join(', '),
        row.meaning,
      ]),
    ),
    '## Values of the labels',
    table(
      ['Metric', 'Label', 'Values'],
      Object.entries<MetricRow>(metricTable).flatMap(([name, { labels }]) =>
        Object.entries(labels).map(([label, values]) => [code(name), code(label), labelValues(values)]),
      ),
    ),
    '## Buckets',
    table(
      ['Histogram', 'Upper bounds'],
      Object.entries<MetricRow>(metricTable).flatMap(([name, { buckets }]) =>
        buckets === undefined ? [] : [[code(name), buckets.join(', ')]],
      ),
    ),
  )

/** Commands that do something, with the words that lead to them; groups only lead on. */
const leaves = (command: Command, words: readonly string[]): readonly (readonly [string, Command])[] =>
  command.commands.length === 0
    ? [[words.join(' '), command]]
    : command.commands.flatMap((child) => leaves(child, [...words, child.name()]))

const commandLine = (): string => {
  const program = createProgram(() => async () => {})
  const help = (command: Command): string =>
    `\`\`\`text\n${command
      .configureHelp({ ...command.configureHelp(), helpWidth: 100, showGlobalOptions: false })
      .helpInformation()
      .trimEnd()}\n\`\`\``
  return page(
    'Command line',
    'cli/',
    'From a checkout: `npx chartwarden <command>`. The options of the first section go with every command.',
    '## chartwarden',
    help(program),
    ...leaves(program, []).flatMap(([words, command]) => [`## ${words}`, help(command)]),
    '## Exit codes',
    table(
      ['Code', 'Name', 'Meaning'],
      Object.entries(exitCodes).map(([name, row]) => [String(row.code), name, row.meaning]),
    ),
  )
}

/** File name in docs/reference and text of every generated page. */
export const referencePages = (): ReadonlyMap<string, string> =>
  new Map([
    ['configuration.md', configuration()],
    ['errors.md', errors()],
    ['scopes-and-methods.md', scopesAndMethods()],
    ['command-line.md', commandLine()],
    ['metrics.md', metrics()],
  ])
