/**
 * The one-way layout, `kernel ← audit ← access ← projections ← main`, as data, and the check of it as a pure function over source texts.
 * A type that points the wrong way is a dependency all the same; in cycles only imports that exist at run time count.
 */
import path from 'node:path'
import { parseSync, Visitor } from 'oxc-parser'

interface Area {
  /** A path that starts with one of these belongs to the area; the first area that fits wins. */
  readonly prefixes: readonly string[]
  /** Prefixes of what it may import, beside itself and packages. */
  readonly mayImport: readonly string[]
}

const contract = 'proto/gen/'

/** From the innermost out. A folder below services/ that is not named here is an error, so that a new one gets its rule. */
export const areas: readonly Area[] = [
  { prefixes: [contract], mayImport: [] },
  { prefixes: ['services/kernel/'], mayImport: [contract, 'package.json'] },
  { prefixes: ['services/audit/'], mayImport: [contract, 'services/kernel/'] },
  { prefixes: ['services/access/'], mayImport: [contract, 'services/kernel/', 'services/audit/'] },
  {
    // The event vocabulary only: never the state or the doors of access.
    prefixes: ['services/projections/'],
    mayImport: [contract, 'services/kernel/', 'services/audit/', 'services/access/events.ts', 'services/access/event-codec.ts'],
  },
  {
    // The composition root.
    prefixes: [
      'services/main.ts',
      'services/announce-ready.ts',
      'services/compose.ts',
      'services/compose-doors.ts',
      'services/service-part.ts',
      'services/compose-ledger.ts',
      'services/open-engine.ts',
      'services/teardown.ts',
      'services/compose-checks.ts',
      'services/compose-backups.ts',
      'services/observability/',
      'services/workers/',
      'services/readiness.ts',
      'services/ledger-check.ts',
      'services/self-check.ts',
      'services/schema-migrations.ts',
      'services/database.ts',
      'services/verify-database.ts',
      'services/restore-database.ts',
      'services/drill-schedule.ts',
      'services/compose-drills.ts',
      'services/drill-worker.ts',
      'services/drill-thread.ts',
      'services/record-drill.ts',
      'services/backup-drill.ts',
      'services/read-models.ts',
    ],
    mayImport: [contract, 'proto/openapi.json', 'services/', 'package.json'],
  },
  { prefixes: ['cli/'], mayImport: [contract, 'services/', 'package.json'] },
  { prefixes: ['scripts/'], mayImport: [contract, 'proto/openapi.json', 'services/', 'cli/', 'package.json'] },
  { prefixes: ['bench/'], mayImport: [''] },
  { prefixes: ['test/'], mayImport: [''] },
]

/** Only these may read the material beside the checkout: a clone without it must run. */
const mayReadShared = ['test/', 'bench/', 'scripts/import-rules.ts']

const sharedPath = /\.\.\/shared(?![\w-])|\/work\/shared|'\.\.',\s*'shared'/

export interface Import {
  readonly specifier: string
  /** `import type` and `export type`: gone at run time. An inline `type` is not: the module is still loaded. */
  readonly erased: boolean
}

/** What a source imports, static or dynamic; of dynamic imports only literals can be seen. Throws SyntaxError for what does not parse. */
export const importsOf = (file: string, text: string): readonly Import[] => {
  const { program, errors } = parseSync(file, text)
  const fault = errors[0]
  if (fault !== undefined) throw new SyntaxError(`${file}: ${fault.message}`)
  const found: Import[] = []
  const take = (source: unknown, erased: boolean): void => {
    const literal = source as { readonly value?: unknown } | null
    if (typeof literal?.value === 'string') found.push({ specifier: literal.value, erased })
  }
  new Visitor({
    ImportDeclaration: (node) => take(node.source, node.importKind === 'type'),
    ExportAllDeclaration: (node) => take(node.source, node.exportKind === 'type'),
    ExportNamedDeclaration: (node) => take(node.source, node.exportKind === 'type'),
    ImportExpression: (node) => take(node.source, false),
    TSImportType: (node) => take(node.source, true),
  }).visit(program)
  return found
}

const areaOf = (file: string): Area | undefined => areas.find((area) => area.prefixes.some((prefix) => file.startsWith(prefix)))

const layoutFault = (file: string, target: string): string | undefined => {
  const area = areaOf(file)
  if (area === undefined) return `${file}: no import rule covers this path; add it to scripts/import-rules.ts`
  const allowed = [...area.prefixes, ...area.mayImport].some((prefix) => target.startsWith(prefix))
  return allowed ? undefined : `${file}: may not import ${target}`
}

/** Each cycle once, as the path that closes it. */
const cycles = (graph: ReadonlyMap<string, readonly string[]>): readonly string[] => {
  const faults: string[] = []
  const done = new Set<string>()
  const visit = (file: string, trail: readonly string[]): void => {
    const start = trail.indexOf(file)
    if (start >= 0) faults.push(`import cycle: ${[...trail.slice(start), file].join(' → ')}`)
    if (start >= 0 || done.has(file)) return
    for (const target of graph.get(file) ?? []) visit(target, [...trail, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return faults
}

/** What is wrong with a tree of sources (path from the root, with `/`, to text); empty when all is well. */
export const importFaults = (sources: ReadonlyMap<string, string>): readonly string[] => {
  const graph = new Map<string, readonly string[]>()
  const faults: string[] = []
  for (const [file, text] of sources) {
    const loaded: string[] = []
    for (const { specifier, erased } of importsOf(file, text)) {
      if (!specifier.startsWith('.')) continue
      const target = path.posix.join(path.posix.dirname(file), specifier)
      if (!erased) loaded.push(target)
      const fault = layoutFault(file, target)
      if (fault !== undefined) faults.push(fault)
    }
    graph.set(file, loaded)
    if (sharedPath.test(text) && !mayReadShared.some((prefix) => file.startsWith(prefix))) {
      faults.push(`${file}: names ../shared, which a clone does not have`)
    }
  }
  return [...faults, ...cycles(graph)]
}
