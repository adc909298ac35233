/**
 * `node bench/profile-areas.ts <file.cpuprofile> [from] [to]`: what a service's processor time goes to, by area, in shares of the time in which it was
 * busy. Each sample counts for the innermost frame that an area claims, so that a library's time is the library's and not its caller's.
 * `from`, `to`: seconds before the end of the profile; the load of `npm run bench -- --profile` is within the last ones.
 */
import { readFileSync } from 'node:fs'
import { table } from './measure/markdown.ts'

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string }
  readonly children?: readonly number[]
}

interface Profile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** The first that fits claims a frame. */
const areas: readonly (readonly [area: string, frame: RegExp])[] = [
  ['idle', /^\(idle\)/],
  ['collecting garbage', /^\(garbage collector\)/],
  ['gRPC and HTTP/2 (grpc-js, node:http2)', /grpc-js|node:internal\/http2|services\/kernel\/(grpc|calls)\//],
  ['Protocol Buffers', /@bufbuild\/protobuf|proto\/gen\//],
  ['sealing the log: tree, signature, publishing', /services\/audit\/log\/|create-log-keys/],
  ['read models', /services\/projections\//],
  ['driver of Postgres', /node_modules\/pg(-|\/)/],
  ['sealing what persons concern, digests, pseudonyms', /services\/audit\/vault|node:internal\/crypto/],
  ['canonical JSON', /canonical-json/],
  ['the decision itself', /services\/access\/decide|services\/access\/conditions/],
  ['composing and appending entries', /services\/audit\/|services\/kernel\/ids/],
  ['from question to entry and answer', /services\/access\//],
  ['metrics, traces, log', /services\/observability|services\/kernel\/(telemetry|logging)|opentelemetry|pino/],
  ['sockets and streams of Node', /node:(net|internal\/(stream|streams|js_stream))/],
]

const areaOf = ({ callFrame: { functionName, url } }: ProfileNode): string | undefined => {
  const frame = `${functionName} ${url}`
  return areas.find(([, pattern]) => pattern.test(frame))?.[0]
}

export const sharesOf = ({ nodes, samples, timeDeltas }: Profile, from: number, to: number): ReadonlyMap<string, number> => {
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
  const areaOfSample = (id: number): string => {
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const area = areaOf(byId.get(at) as ProfileNode)
      if (area !== undefined) return area
    }
    return 'Node itself, and what is left'
  }
  const known = new Map(nodes.map(({ id }) => [id, areaOfSample(id)]))
  const span = timeDeltas.reduce((sum, delta) => sum + delta, 0)
  const micros = new Map<string, number>()
  let now = 0
  for (const [index, id] of samples.entries()) {
    const delta = timeDeltas[index] as number
    now += delta
    if (now < span - from * 1e6 || now > span - to * 1e6) continue
    const area = known.get(id) as string
    micros.set(area, (micros.get(area) ?? 0) + delta)
  }
  micros.delete('idle')
  const busy = [...micros.values()].reduce((sum, each) => sum + each, 0)
  return new Map([...micros].sort(([, one], [, other]) => other - one).map(([area, each]) => [area, each / busy]))
}

const [file, from = '10', to = '1'] = process.argv.slice(2)
if (import.meta.main) {
  if (file === undefined) throw new Error('which profile?')
  const shares = sharesOf(JSON.parse(readFileSync(file, 'utf8')) as Profile, Number(from), Number(to))
  process.stdout.write(
    `${table(
      ['processor time of the service', 'share'],
      [...shares].map(([area, share]) => [area, `${(100 * share).toFixed(1)} %`]),
    )}\n`,
  )
}
