/**
 * A KurrentDB server, or a cluster of them, inside the test process: the gRPC services that the client calls, on the stubs that the client
 * ships, over a log with the server's own rules. It proves how the protocol is used; what a server really does, only a server can prove
 * (KURRENTDB_URL). Behind a relay, so that connections can be cut for real.
 */
import { type Metadata, Server, ServerCredentials } from '@grpc/grpc-js'
import gossipGrpc from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/gossip_grpc_pb.js'
import gossipPb from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/gossip_pb.js'
import featuresGrpc from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/serverfeatures_grpc_pb.js'
import featuresPb from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/serverfeatures_pb.js'
import sharedPb from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/shared_pb.js'
import streamsGrpc from '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/streams_grpc_pb.js'
import type { Test } from 'tap'
import { selfSigned } from '../certificate.ts'
import { startTcpRelay, type TcpRelay } from '../tcp-relay.ts'
import { createAccess, type User } from './access.ts'
import { type AppendScript, answerTruly, type IncomingAppend, serveAppend, serveBatchAppend } from './appends.ts'
import { serveDelete, serveTombstone } from './deletes.ts'
import { createEventLog, type EventLog } from './event-log.ts'
import { type SubscriptionFaults, serveRead } from './reads.ts'
import type { CallFault } from './server-faults.ts'

export interface KurrentDouble {
  /** Connection string. */
  readonly url: string
  urlFor(user: User): string
  readonly log: EventLog
  /** Appends to streams other than the server's own that have come in. */
  readonly appends: readonly IncomingAppend[]
  /** Reads that did not insist on the leader. */
  readonly readsFromAnyone: number
  /** Open now. */
  readonly subscriptions: number
  /** Opened so far. */
  readonly subscribed: number
  /** host:port */
  readonly leader: string
  /** The next appends to streams other than the server's own go through these, one each. */
  script(...scripts: readonly AppendScript[]): void
  /** All of them do, until told otherwise. */
  scriptAll(script: AppendScript): void
  /** Every connection ends, without a word; new ones are taken at once. */
  cut(): void
  /** The servers end and are gone; what they stored is kept. */
  stop(): void
  start(): Promise<void>
  /** Ends every subscription: with a fault, or as if the server had nothing more to say. */
  endSubscriptions(fault?: CallFault): void
  readonly subscriptionFaults: SubscriptionFaults
  /** What reads that are no subscriptions are answered from now on; undefined: what they ask for. */
  failReads(fault: CallFault | undefined): void
  /** Another node leads from now on: the others refuse what insists on the leader and say who it is. */
  elect(node: number): void
  /** A node no longer hears of what is stored; undefined: all do again. */
  lag(node: number | undefined): void
}

export interface DoubleOptions {
  /** Default 1. */
  readonly nodes?: number
  /** The servers' clock, in milliseconds since the epoch; appends are held against it. */
  readonly now?: () => number
  /** With users the server speaks TLS and asks for a password; the connection string is the first one's. Default: it asks nobody. */
  readonly users?: readonly User[]
}

interface Node {
  readonly relay: TcpRelay
  readonly port: number
  server: Server
}

const version = '26.0.0'

const isSystem = (stream: string): boolean => stream.startsWith('$')

const insistsOnLeader = (headers: Metadata): boolean => headers.get('requires-leader')[0] === 'true'

const listen = (server: Server, port: number, credentials: ServerCredentials): Promise<number> =>
  new Promise((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => (error ? reject(error) : resolve(bound)))
  })

const tlsCredentials = (): ServerCredentials => {
  const { cert, key } = selfSigned()
  return ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }])
}

const supportedMethods = (): InstanceType<typeof featuresPb.SupportedMethods> => {
  const methods = new featuresPb.SupportedMethods().setEventStoreServerVersion(version)
  for (const { path } of Object.values(streamsGrpc.StreamsService)) {
    const [, service = '', method = ''] = path.toLowerCase().split('/')
    methods.addMethods(new featuresPb.SupportedMethod().setServiceName(service).setMethodName(method))
  }
  return methods
}

/** Started and ended with the test. */
export const startKurrentDouble = async (test: Test, options: DoubleOptions = {}): Promise<KurrentDouble> => {
  const { nodes: count = 1, now = Date.now, users } = options
  const log = createEventLog({ now })
  const mayDo = createAccess({ users, metadata: log.metadata })
  const credentials = users === undefined ? ServerCredentials.createInsecure() : tlsCredentials()
  const appends: IncomingAppend[] = []
  const scripts: AppendScript[] = []
  const subscriptions = new Set<(fault: CallFault | undefined) => void>()
  const subscriptionFaults: SubscriptionFaults = { silent: false, withoutCheckpoints: false, slowCheckpoints: false }
  const nodes: Node[] = []
  let always = answerTruly
  let leader = 0
  let lagging: { readonly node: number; readonly seen: number } | undefined
  let readFault: CallFault | undefined
  let readsFromAnyone = 0
  let subscribed = 0

  const leaderAddress = (): string => nodes[leader]?.relay.address ?? ''
  const notLeader = (): CallFault => ({ kind: 'not leader', leader: leaderAddress() })

  const clusterInfo = (): InstanceType<typeof gossipPb.ClusterInfo> => {
    const { VNodeState } = gossipPb.MemberInfo
    const info = new gossipPb.ClusterInfo()
    for (const [index, { relay }] of nodes.entries()) {
      const colon = relay.address.lastIndexOf(':')
      const endPoint = new gossipPb.EndPoint().setAddress(relay.address.slice(0, colon)).setPort(Number(relay.address.slice(colon + 1)))
      const member = new gossipPb.MemberInfo()
        .setInstanceId(new sharedPb.UUID().setString(`00000000-0000-4000-8000-00000000000${index}`))
        .setTimeStamp(String(now() * 10_000))
        .setState(index === leader ? VNodeState.LEADER : VNodeState.FOLLOWER)
        .setIsAlive(true)
        .setHttpEndPoint(endPoint)
      info.addMembers(member)
    }
    return info
  }

  const urlFor = (user: User | undefined): string => {
    const signedIn = user === undefined ? '' : `${user.login}:${user.password}@`
    const hosts = nodes.map(({ relay }) => relay.address).join(',')
    const security = users === undefined ? 'tls=false' : 'tls=true&tlsVerifyCert=false'
    return `kurrentdb://${signedIn}${hosts}?${security}&nodePreference=leader&discoveryInterval=20`
  }

  const serverOf = (index: number): Server => {
    const server = new Server({ 'grpc.max_receive_message_length': 64 * 1_048_576 })
    const take: Parameters<typeof serveAppend>[0]['take'] = (proposal, answers, headers) => {
      if (index !== leader && insistsOnLeader(headers)) return answers.fail(notLeader())
      if (!mayDo(headers, 'write', proposal.stream)) return answers.refuse('AccessDenied')
      if (proposal.deadline !== undefined && proposal.deadline < now()) return answers.refuse('Timeout')
      const append: IncomingAppend = {
        ...proposal,
        store: () => log.append(proposal.stream, proposal.expected, proposal.events),
        ...answers,
      }
      if (isSystem(proposal.stream)) return answerTruly(append)
      appends.push(append)
      const script = scripts.shift() ?? always
      script(append)
    }
    server.addService(featuresGrpc.ServerFeaturesService, {
      getSupportedMethods: (_call: unknown, done: (error: null, methods: ReturnType<typeof supportedMethods>) => void) =>
        done(null, supportedMethods()),
    })
    server.addService(gossipGrpc.GossipService, {
      read: (_call: unknown, done: (error: null, info: ReturnType<typeof clusterInfo>) => void) => done(null, clusterInfo()),
    })
    server.addService(streamsGrpc.StreamsService, {
      read: serveRead({
        log,
        faults: subscriptionFaults,
        seen: () => (lagging?.node === index ? lagging.seen : undefined),
        refusal: ({ metadata, request }, stream) => {
          if (readFault !== undefined && request.getOptions()?.hasSubscription() !== true) return readFault
          if (!mayDo(metadata, 'read', stream)) return { kind: 'access denied' }
          if (!insistsOnLeader(metadata)) readsFromAnyone += 1
          return insistsOnLeader(metadata) && index !== leader ? notLeader() : undefined
        },
        opened(end) {
          subscriptions.add(end)
          subscribed += 1
          return () => subscriptions.delete(end)
        },
      }),
      append: serveAppend({ take }),
      batchAppend: serveBatchAppend({ take }),
      delete: serveDelete({ log, mayDo }),
      tombstone: serveTombstone({ log, mayDo }),
    })
    return server
  }

  for (let index = 0; index < count; index += 1) {
    const server = serverOf(index)
    const port = await listen(server, 0, credentials)
    nodes.push({ relay: await startTcpRelay(test, `127.0.0.1:${port}`), port, server })
  }
  test.teardown(() => {
    for (const { server } of nodes) server.forceShutdown()
  })

  return {
    url: urlFor(users?.[0]),
    urlFor,
    log,
    appends,
    get readsFromAnyone() {
      return readsFromAnyone
    },
    get subscriptions() {
      return subscriptions.size
    },
    get subscribed() {
      return subscribed
    },
    get leader() {
      return leaderAddress()
    },
    script: (...more) => void scripts.push(...more),
    scriptAll(script) {
      always = script
    },
    cut() {
      for (const { relay } of nodes) {
        relay.cut()
        relay.mend()
      }
    },
    stop() {
      for (const { relay, server } of nodes) {
        relay.cut()
        server.forceShutdown()
      }
    },
    async start() {
      for (const [index, node] of nodes.entries()) {
        node.server = serverOf(index)
        await listen(node.server, node.port, credentials)
        node.relay.mend()
      }
    },
    endSubscriptions(fault) {
      for (const end of [...subscriptions]) end(fault)
    },
    subscriptionFaults,
    failReads(fault) {
      readFault = fault
    },
    elect(node) {
      leader = node
    },
    lag(node) {
      lagging = node === undefined ? undefined : { node, seen: log.all().length }
      log.changes.announce()
    },
  }
}
