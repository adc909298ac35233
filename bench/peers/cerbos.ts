/**
 * Cerbos from npm as its makers ship it, with its decision log on in the local backend. The npm package's own command is a wrapper in
 * Node; the server itself is the binary beside it.
 */
import { spawn } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { endsWithUs } from '../child.ts'
import { createBytesClient } from '../load/bytes-client.ts'
import { checkResourcesPath, countAllowed, encodeCheckResources } from '../load/cerbos-messages.ts'

export interface Cerbos {
  /** host:port of gRPC. */
  readonly address: string
  readonly pid: number
  /** Length of an answer about one resource. */
  readonly answerBytes: number
  /** Asks once; throws unless the answer is ALLOW. */
  ask(): Promise<void>
  /** Decisions its log shows, of the last thousand. It writes them in batches of 16, or after 30 seconds. */
  logged(): Promise<number>
  /** Records of all decisions that its log shows, one for each time that it was decided about. */
  loggedRecords(): Promise<readonly string[]>
  /** Settles when it has ended, however that came about. */
  readonly ended: Promise<void>
  /** Signals it, SIGTERM unless told otherwise, and waits until it has ended. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

const policy = `apiVersion: api.cerbos.dev/v1
resourcePolicy: { version: default, resource: record, rules: [ { actions: ["read"], effect: EFFECT_ALLOW, roles: ["user"] } ] }
`

const backends = { local: 'local, local: { storagePath: ./audit }', file: 'file, file: { path: ./decisions.log }' } as const

/** Where it keeps its decision log: in a store of its own, which it can be asked for, or in `decisions.log`, a line each. */
export type CerbosLog = keyof typeof backends

const configuration = (httpPort: number, grpcPort: number, log: CerbosLog): string =>
  `server: { httpListenAddr: "127.0.0.1:${httpPort}", grpcListenAddr: "127.0.0.1:${grpcPort}", adminAPI: { enabled: true } }
storage: { driver: disk, disk: { directory: ./policies, watchForChanges: false } }
audit: { enabled: true, accessLogsEnabled: false, decisionLogsEnabled: true, backend: ${backends[log]} }
telemetry: { disabled: true }
`

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })

/** The binary that npm installed for this system. Throws where Cerbos has none. */
const locateBinary = (): string => {
  const name = `cerbos-${process.platform}-${process.arch}`
  const manifest = createRequire(import.meta.url).resolve(`@cerbos/${name}/package.json`)
  return path.join(path.dirname(manifest), name)
}

const isHealthy = (http: string): Promise<boolean> =>
  fetch(`${http}/_cerbos/health`).then(
    ({ ok }) => ok,
    () => false,
  )

/** Each entry names the record of its answer once. */
const recordsIn = (log: string): readonly string[] => [...log.matchAll(/"resourceId":\s*"([^"]+)"/g)].map(([, record = '']) => record)

/** The password that Cerbos is shipped with for development. */
const shippedLogin = `Basic ${Buffer.from('cerbos:cerbosAdmin').toString('base64')}`

/** Starts it in a directory of its own, which an earlier start may have left. */
export const startCerbos = async (directory: string, log: CerbosLog = 'local'): Promise<Cerbos> => {
  const [httpPort, grpcPort] = [await freePort(), await freePort()]
  await mkdir(path.join(directory, 'policies'), { recursive: true })
  await writeFile(path.join(directory, 'policies', 'record.yaml'), policy)
  await writeFile(path.join(directory, 'cerbos.yaml'), configuration(httpPort, grpcPort, log))
  const child = spawn(locateBinary(), ['server', '--config=cerbos.yaml', '--debug-listen-addr='], { cwd: directory, stdio: 'ignore' })
  const ended = endsWithUs(child)
  let running = true
  void ended.then(() => {
    running = false
  })
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    child.kill(signal)
    await ended
  }
  const http = `http://127.0.0.1:${httpPort}`
  const until = performance.now() + 30_000
  while (!(await isHealthy(http))) {
    if (!running || performance.now() > until) {
      await stop()
      throw new Error('Cerbos did not start')
    }
    await sleep(50)
  }
  const address = `127.0.0.1:${grpcPort}`
  const askOnce = async (): Promise<Buffer> => {
    const client = createBytesClient({ address })
    try {
      const answer = await client.call(checkResourcesPath, encodeCheckResources({ person: 'u1', records: ['p1'] }))
      if (countAllowed(answer) !== 1) throw new Error('Cerbos did not answer ALLOW')
      return answer
    } finally {
      client.close()
    }
  }
  const showLog = async (which: string): Promise<string> => {
    const shown = await fetch(`${http}/admin/auditlog/list/KIND_DECISION?${which}`, { headers: { authorization: shippedLogin } })
    if (!shown.ok) throw new Error(`Cerbos does not show its decision log: ${shown.status}`)
    return shown.text()
  }
  return {
    address,
    pid: child.pid as number,
    answerBytes: (await askOnce()).length,
    ask: async () => {
      await askOnce()
    },
    logged: async () => (await showLog('tail=1000')).split('\n').filter((line) => line.includes('decisionLogEntry')).length,
    loggedRecords: async () =>
      recordsIn(log === 'local' ? await showLog('since=24h') : await readFile(path.join(directory, 'decisions.log'), 'utf8')),
    ended,
    stop,
  }
}
