/**
 * Helm is not to be had here. test/golden/helm holds what deploy/helm/render makes of the charts with Helm's own template engine; where Go is
 * at hand it is made anew and compared, elsewhere a digest says whether it is of these templates.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv } from 'ajv'
import { Deployment } from 'kubernetes-models/apps/v1'
import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2'
import { Job } from 'kubernetes-models/batch/v1'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { ConfigMap, PersistentVolumeClaim, Service } from 'kubernetes-models/v1'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { configVariables, readConfig } from '../../services/kernel/config.ts'
import { scratchDirectory } from '../support/service.ts'

const helm = path.resolve(import.meta.dirname, '../../deploy/helm')
const golden = path.resolve(import.meta.dirname, '../golden/helm')
const read = (...file: readonly string[]): string => readFileSync(path.join(...file), 'utf8')
const renders = readdirSync(golden).filter((file) => file.endsWith('.yaml'))

interface Container {
  readonly name: string
  readonly env?: readonly { readonly name: string; readonly value: string }[]
  readonly securityContext?: unknown
  readonly resources?: { readonly limits?: { readonly memory?: string } }
  readonly restartPolicy?: string
  readonly envFrom?: readonly unknown[]
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[]
  readonly livenessProbe?: unknown
  readonly readinessProbe?: unknown
}

interface PodSpec {
  readonly enableServiceLinks?: boolean
  readonly automountServiceAccountToken?: boolean
  readonly serviceAccountName?: string
  readonly terminationGracePeriodSeconds?: number
  readonly securityContext?: unknown
  readonly initContainers?: readonly Container[]
  readonly containers: readonly Container[]
  readonly volumes?: readonly unknown[]
}

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  /** Absent of what holds data alone. */
  readonly spec?: {
    readonly selector?: Readonly<Record<string, unknown>>
    readonly template?: { readonly metadata?: { readonly labels?: Readonly<Record<string, string>> }; readonly spec: PodSpec }
  }
}

const manifests = (file: string): readonly Manifest[] =>
  parseAllDocuments(read(golden, file)).map((document) => document.toJS() as Manifest)

const kinds = { ConfigMap, Deployment, HorizontalPodAutoscaler, Job, NetworkPolicy, PersistentVolumeClaim, PodDisruptionBudget, Service }
type Known = keyof typeof kinds

/** Throws, naming the field, for what the schemas of Kubernetes do not know. */
const validate = (manifest: Manifest): void => {
  const model = kinds[manifest.kind as Known]
  if (model !== undefined) new model(manifest as never).validate()
  else if (manifest.kind !== 'ServiceMonitor') throw new Error(`no schema for ${manifest.kind}`)
}

const podOf = (manifest: Manifest): PodSpec | undefined => manifest.spec?.template?.spec
const environmentOf = (container: Container): Record<string, string> =>
  Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value]))

/** With URLs in place of the files that hold them. */
const withUrls = (environment: Record<string, string>): Record<string, string> => ({
  ...environment,
  DATABASE_URL: 'postgres://a@b/c',
  CHARTWARDEN_FEED_DATABASE_URL: 'postgres://d@b/c',
  CHARTWARDEN_QUERY_DATABASE_URL: '',
  ...('CHARTWARDEN_DRILL_DATABASE_URL' in environment ? { CHARTWARDEN_DRILL_DATABASE_URL: 'postgres://e@b/c' } : {}),
  ...('CHARTWARDEN_KURRENTDB_URL' in environment ? { CHARTWARDEN_KURRENTDB_URL: 'kurrentdb://f:g@h:2113?tls=true' } : {}),
})

const isOurs = (container: Container): boolean => ['chartwarden', 'migrate'].includes(container.name)

t.test('what is compared below was rendered from these templates', async (t) => {
  const sources = globSync('{chartwarden,practice-app-example,render/values}/**/*', { cwd: helm, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(helm, path.join(entry.parentPath, entry.name)))
    .sort()
  const lines = sources.map((file) => `${hash('sha256', readFileSync(path.join(helm, file)))}  ${file}\n`).join('')
  t.equal(read(golden, 'sources.sha256').trim(), hash('sha256', lines), 'else run deploy/helm/render/render.sh')
})

const renderer = '/usr/share/gocode/src/github.com/Masterminds/sprig'
const withoutGo = spawnSync('go', ['version']).status === 0 && globSync(renderer).length === 1 ? false : 'Go or its packages are not here'

t.test("Helm's template engine makes the same of them", { skip: withoutGo }, async (t) => {
  const directory = scratchDirectory(t, 'helm')
  execFileSync('sh', [path.join(helm, 'render/render.sh'), directory], { stdio: 'pipe' })
  for (const file of readdirSync(golden)) t.equal(read(directory, file), read(golden, file), file)
})

t.test('every manifest is one of Kubernetes', async (t) => {
  for (const file of renders) for (const manifest of manifests(file)) t.doesNotThrow(() => validate(manifest), `${file}: ${manifest.kind}`)
  t.same(
    manifests('central-full.yaml')
      .map(({ kind }) => kind)
      .sort(),
    [
      'ConfigMap',
      'Deployment',
      'Deployment',
      'HorizontalPodAutoscaler',
      'Job',
      'NetworkPolicy',
      'PersistentVolumeClaim',
      'PodDisruptionBudget',
      'Service',
      'Service',
      'ServiceMonitor',
    ],
  )
  t.same(
    manifests('practice-app-example.yaml').map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    [
      'Job clinic-chartwarden-migrate',
      'Service clinic-chartwarden-signer',
      'PersistentVolumeClaim clinic-chartwarden-signer',
      'Deployment clinic-chartwarden-signer',
      'Deployment practice-app',
    ],
  )
  const [first] = manifests('central.yaml') as [Manifest]
  t.throws(() => validate({ ...first, spec: { ...first.spec, replicas: 'two' } } as never), 'twin: a wrong one is seen')
})

t.test('where clients need a certificate, Kubernetes probes the listener that asks for none', async (t) => {
  const probes = (file: string) => {
    const container = podOf(manifests(file).find(({ kind }) => kind === 'Deployment') as Manifest)?.containers.find(isOurs)
    return {
      live: container?.livenessProbe,
      ready: container?.readinessProbe,
      mutual: 'CHARTWARDEN_TLS_CLIENT_CA_FILE' in environmentOf(container as Container),
    }
  }
  const at = (path: string, port: string, scheme: string) => ({ httpGet: { path, port, scheme } })
  t.match(probes('central-full.yaml'), { mutual: true, live: at('/healthz', 'metrics', 'HTTP'), ready: at('/readyz', 'metrics', 'HTTP') })
  t.match(probes('central.yaml'), { mutual: false, live: at('/healthz', 'http', 'HTTPS'), ready: at('/readyz', 'http', 'HTTPS') })
})

t.test('every pod keeps to the restricted standard, and is handed no variable of Kubernetes that looks like ours', async (t) => {
  for (const file of renders) {
    for (const manifest of manifests(file)) {
      const pod = podOf(manifest)
      if (pod === undefined) continue
      t.match(pod, { enableServiceLinks: false, automountServiceAccountToken: false }, file)
      t.match(pod.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
      for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
        t.match(container.securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          runAsNonRoot: true,
          capabilities: { drop: ['ALL'] },
        })
        t.ok(container.resources?.limits?.memory, `${file} ${container.name}: memory has a limit`)
      }
    }
  }
  t.throws(
    () => readConfig({ CHARTWARDEN_SERVICE_HOST: '10.0.0.1' }),
    { message: /is not a variable/ },
    'twin: what a service link would set',
  )
})

t.test('a container of ours gets documented variables only, its secrets as files, and starts on them', async (t) => {
  const documented = new Map(configVariables.map((variable) => [variable.name, variable]))
  for (const file of renders) {
    for (const pod of manifests(file).flatMap((manifest) => podOf(manifest) ?? [])) {
      for (const container of [...(pod.initContainers ?? []), ...pod.containers].filter(isOurs)) {
        const environment = environmentOf(container)
        for (const [name, value] of Object.entries(environment)) {
          t.ok(documented.has(name), `${file}: ${name}`)
          if (/(DATABASE|KURRENTDB)_URL$/.test(name)) t.match(value, /^@\/etc\/chartwarden\//, `${file}: ${name}`)
        }
        if (container.name === 'migrate') continue
        t.notOk('CHARTWARDEN_MIGRATE_DATABASE_URL' in environment, 'no replica may change tables')
        const { mode, databaseUrls, drainTimeoutMs } = readConfig(withUrls(environment))
        t.match({ mode, databaseUrls }, { mode: 'production', databaseUrls: { migrate: undefined } }, 'its configuration is accepted')
        t.ok((pod.terminationGracePeriodSeconds ?? 0) * 1000 >= drainTimeoutMs + 15_000, `${file}: the drain ends before the kill`)
      }
    }
  }
})

t.test('one pod of a release signs, with a volume of its own that no other pod has; those that serve sign nothing', async (t) => {
  for (const file of renders) {
    const all = manifests(file)
    const pods = all.flatMap((manifest) => {
      const pod = podOf(manifest)
      return (
        (pod && [...(pod.initContainers ?? []), ...pod.containers].filter(({ name }) => name === 'chartwarden').map(environmentOf)) ?? []
      )
    })
    const origins = pods.map((environment) => readConfig(withUrls(environment)).logOrigin)
    t.same(new Set(origins), new Set(['chartwarden.example.org']), `${file}: all know what the logs are called`)
    const stores = pods.map((environment) => readConfig(withUrls(environment)).signing?.signerDir)
    t.same(
      stores.filter((store) => store !== undefined),
      ['/var/lib/chartwarden-signer/store'],
      `${file}: ${stores}`,
    )
    for (const environment of pods.filter(({ CHARTWARDEN_SIGNER_DIR: store }) => store === 'off'))
      t.equal(readConfig(withUrls(environment)).selfCheckHours, 0, 'by schedule the one checks that has what the ledgers are compared with')

    const claim = all.find(({ kind }) => kind === 'PersistentVolumeClaim')
    t.match(claim, { metadata: { annotations: { 'helm.sh/resource-policy': 'keep' } }, spec: { accessModes: ['ReadWriteOnce'] } }, file)
    const holders = all.filter((manifest) => JSON.stringify(podOf(manifest)?.volumes ?? []).includes('persistentVolumeClaim'))
    t.match(holders, [{ metadata: { name: 'clinic-chartwarden-signer' }, spec: { replicas: 1, strategy: { type: 'Recreate' } } }])
    t.match(podOf(holders[0] as Manifest)?.volumes?.at(-1), { persistentVolumeClaim: { claimName: claim?.metadata.name } })
    t.equal(holders.length, 1, `${file}: two pods that took the volume in turn would halt each other`)
  }
})

t.test('the pod that signs takes no calls, and no selector of those that serve counts it', async (t) => {
  const labelsOf = ({ spec }: Manifest): Readonly<Record<string, string>> => spec?.template?.metadata?.labels ?? {}
  const selects = (selector: Readonly<Record<string, string>> = {}, labels: Readonly<Record<string, string>>): boolean =>
    Object.entries(selector).every(([name, value]) => labels[name] === value)
  const all = manifests('central-full.yaml')
  const [server, signer] = ['clinic-chartwarden', 'clinic-chartwarden-signer'].map((name) =>
    labelsOf(all.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === name) as Manifest),
  ) as [Record<string, string>, Record<string, string>]
  const selector = (kind: string, name = 'clinic-chartwarden') => {
    const { spec } = all.find((manifest) => manifest.kind === kind && manifest.metadata.name === name) as Manifest
    return (spec?.selector?.['matchLabels'] ?? spec?.selector) as Record<string, string>
  }
  for (const kind of ['Deployment', 'Service', 'PodDisruptionBudget']) {
    t.ok(selects(selector(kind), server), kind)
    t.notOk(selects(selector(kind), signer), kind)
  }
  for (const kind of ['Deployment', 'Service']) {
    t.ok(selects(selector(kind, 'clinic-chartwarden-signer'), signer), `${kind} of the signer`)
    t.notOk(selects(selector(kind, 'clinic-chartwarden-signer'), server), `${kind} of the signer`)
  }
  const { spec } = all.find(({ metadata, kind }) => kind === 'Deployment' && metadata.name === 'clinic-chartwarden-signer') as Manifest
  const [container] = spec?.template?.spec.containers ?? []
  t.match(environmentOf(container as Container), { CHARTWARDEN_GRPC_ADDR: '127.0.0.1:50051', CHARTWARDEN_HTTP_ADDR: '127.0.0.1:8080' })
})

t.test('backups have what they need where they are made, and nobody else has any of it', async (t) => {
  const all = manifests('central-backups.yaml').filter(({ kind }) => kind === 'Deployment')
  const of = (name: string) => {
    const pod = podOf(all.find(({ metadata }) => metadata.name === name) as Manifest) as PodSpec
    return { pod, container: pod.containers.find(isOurs) as Container }
  }
  const [signer, server] = [of('clinic-chartwarden-signer'), of('clinic-chartwarden')]
  const { backup, drill } = readConfig(withUrls(environmentOf(signer.container)))
  t.match(backup, { target: { kind: 's3' }, recipientsFile: '/etc/chartwarden/backup/recipients', hours: 1 })
  t.match(drill, { hours: 168, identityFile: '/etc/chartwarden/backup/identity' })
  t.match(signer.pod.volumes, [{}, {}, { name: 'backup', secret: { secretName: 'chartwarden-backup', defaultMode: 0o440 } }])
  t.match(
    signer.container.volumeMounts?.find(({ name }) => name === 'backup'),
    { mountPath: '/etc/chartwarden/backup', readOnly: true },
  )
  t.notMatch(JSON.stringify(server.pod), /BACKUP|DRILL|chartwarden-backup/)
  for (const { pod, container } of [signer, server]) {
    t.equal(pod.serviceAccountName, 'chartwarden')
    t.same(container.envFrom, [{ secretRef: { name: 'chartwarden-bucket' } }])
  }
})

t.test('the connection string of KurrentDB is a file in every container that keeps ledgers there', async (t) => {
  const pods = manifests('central-kurrentdb.yaml').filter(({ kind }) => kind === 'Deployment')
  t.equal(pods.length, 2)
  for (const pod of pods.map((manifest) => podOf(manifest) as PodSpec)) {
    t.ok(readConfig(withUrls(environmentOf(pod.containers[0] as Container))).kurrentUrl)
    t.match(
      pod.containers[0]?.volumeMounts?.find(({ name }) => name === 'chartwarden-kurrentdb'),
      {
        mountPath: '/etc/chartwarden/kurrentdb',
        readOnly: true,
      },
    )
  }
})

t.test('numbers among the values, which Helm hands over as floating point, reach the service as whole ones', async (t) => {
  const deployment = manifests('central-full.yaml').find(({ kind }) => kind === 'Deployment') as Manifest
  const [container] = podOf(deployment)?.containers ?? []
  t.match(environmentOf(container as Container), { CHARTWARDEN_MAX_MESSAGE_BYTES: '4194304', CHARTWARDEN_GRPC_REFLECTION: 'false' })
  t.throws(() => readConfig({ CHARTWARDEN_MAX_MESSAGE_BYTES: '4.194304e+06' }), { message: /whole number/ }, 'twin: as it would be written')
})

t.test('the sidecar is reached within its pod only, starts before the application and ends after it', async (t) => {
  const application = manifests('practice-app-example.yaml').find(({ metadata }) => metadata.name === 'practice-app') as Manifest
  const [sidecar] = podOf(application)?.initContainers ?? []
  t.equal(sidecar?.restartPolicy, 'Always', 'a sidecar in the words of Kubernetes')
  t.match(environmentOf(sidecar as Container), {
    CHARTWARDEN_GRPC_ADDR: '127.0.0.1:50051',
    CHARTWARDEN_HTTP_ADDR: '127.0.0.1:8080',
    DATABASE_URL: /^@/,
  })
})

t.test('values that would not work are refused before anything is installed', async (t) => {
  const accepts = new Ajv({ strict: false }).compile(JSON.parse(read(helm, 'chartwarden/values.schema.json')))
  const defaults = parse(read(helm, 'chartwarden/values.yaml')) as Record<string, Record<string, unknown>>
  type Values = Record<string, unknown>
  const isMap = (value: unknown): value is Values => typeof value === 'object' && value !== null && !Array.isArray(value)
  const merge = (base: Values, over: Values): Values => {
    const merged = { ...base }
    for (const [name, value] of Object.entries(over)) {
      const below = merged[name]
      merged[name] = isMap(below) && isMap(value) ? merge(below, value) : value
    }
    return merged
  }
  t.notOk(accepts(defaults), 'nothing is installed on the defaults alone')
  const files = globSync('*.yaml', { cwd: path.join(helm, 'render/values') })
  for (const file of files)
    t.ok(accepts(merge(defaults, parse(read(helm, 'render/values', file)))), `${file}: ${JSON.stringify(accepts.errors)}`)
  const sidecar = (parse(read(helm, 'practice-app-example/values.yaml')) as { chartwarden: Values }).chartwarden
  t.ok(accepts(merge(defaults, sidecar)), JSON.stringify(accepts.errors))

  const good = merge(defaults, parse(read(helm, 'render/values/central.yaml')))
  const backups = { backup: { secretName: 'backup' }, config: { CHARTWARDEN_BACKUP_TARGET: 's3://backups/chartwarden' } }
  t.ok(accepts(merge(good, backups)), JSON.stringify(accepts.errors))
  const wrong: readonly (readonly [string, Values])[] = [
    ['no database', { database: { secretName: '' } }],
    ['no login to migrate with', { migration: { secretName: '' } }],
    ['no TLS and no proxy', { tls: { secretName: '' } }],
    ['client certificates without TLS', { tls: { byProxy: true, clientCaSecretName: 'ca' } }],
    ['keys over http', { tokens: { jwks: 'http://id.example.org/jwks' } }],
    ['a misspelt variable', { config: { CHARTWARDEN_LOGLEVEL: 'warn' } }],
    ['a secret among the values', { config: { DATABASE_URL: 'postgres://x' } }],
    ['a misspelt value', { replica: 3 }],
    ['a network policy that lets nobody reach the database', { networkPolicy: { database: [] } }],
    ["a network policy that lets nobody reach the identity provider's keys", { networkPolicy: { egress: [] } }],
    ['logs without a name', { signer: { origin: '' } }],
    ['a name of logs with a scheme', { signer: { origin: 'https://chartwarden.example.org' } }],
    ['a signer store that replicas would share', { config: { CHARTWARDEN_SIGNER_DIR: '/var/lib/chartwarden-signer' } }],
    ['backups that are encrypted to nobody', { config: { CHARTWARDEN_BACKUP_TARGET: 's3://backups/chartwarden' } }],
    ['recipients and nowhere to put a backup', { backup: { secretName: 'backup' } }],
    ['backups in a directory of a container', { backup: { secretName: 'backup' }, config: { CHARTWARDEN_BACKUP_TARGET: '/backups' } }],
    ['backups where nobody makes them', { ...backups, signer: { enabled: false } }],
    ['backups of ledgers in KurrentDB', { ...backups, kurrentdb: { secretName: 'kurrentdb' } }],
    ['drills that can open nothing', { ...backups, config: { ...backups.config, CHARTWARDEN_DRILL_HOURS: 24 } }],
    ['a file that no secret brings', { config: { CHARTWARDEN_KURRENTDB_URL: '@/etc/kurrentdb' } }],
    ['a sidecar without a database', { mode: 'sidecar', database: { secretName: '' } }],
  ]
  for (const [what, over] of wrong) t.notOk(accepts(merge(good, over)), what)
})

t.test('the values name every variable that the chart does not set itself', async (t) => {
  const schema = JSON.parse(read(helm, 'chartwarden/values.schema.json')) as {
    readonly properties: { readonly config: { readonly properties: Record<string, unknown> } }
  }
  const own = new Set(read(helm, 'chartwarden/templates/_helpers.tpl').match(/\b(CHARTWARDEN_\w+|DATABASE_URL)\b/g))
  for (const template of ['deployment', 'signer']) {
    for (const name of read(helm, `chartwarden/templates/${template}.yaml`).match(/\bCHARTWARDEN_\w+\b/g) ?? []) own.add(name)
  }
  // Of development, of the command line, of the embedded database, or of the migration alone; and a secret that is a file here.
  for (const name of ['DEMO', 'TOKEN', 'MASTER_KEY', 'CLIENT_CERT_FILE', 'CLIENT_KEY_FILE', 'STATE_DIR', 'MIGRATE_DATABASE_URL'])
    own.add(`CHARTWARDEN_${name}`)
  const left = configVariables.map(({ name }) => name).filter((name) => !own.has(name))
  t.same(Object.keys(schema.properties.config.properties).sort(), left.sort())
})
