/** Processes of one installation that share a signer store's directory: real ones, over a real file system, one of them killed. */
import { spawn } from 'node:child_process'
import path from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { createDirectorySignerStore } from '../../../../services/audit/log/directory-signer-store.ts'
import { createSignerFiles } from '../../../../services/audit/log/signer/signer-files.ts'
import type { SignedHead } from '../../../../services/audit/log/signer-store.ts'
import { systemRandomness } from '../../../../services/kernel/ids.ts'
import { forkIn, type Signed } from '../../../support/signed-heads.ts'

t.setTimeout(300_000)

const script = path.resolve(import.meta.dirname, '../../../support/signer-process.ts')

interface Written {
  readonly kind: 'tried' | 'signed'
  readonly step: Signed
}

const revived = (_: string, value: unknown): unknown => {
  if (typeof value === 'string' && /^\d+n$/.test(value)) return BigInt(value.slice(0, -1))
  const bytes = value as { readonly type?: unknown; readonly data?: readonly number[] } | null
  return bytes?.type === 'Buffer' ? Buffer.from(bytes.data ?? []) : value
}

/** Starts one; `killAfter`: signatures after which it is killed, in the middle of whatever it does then. */
const startSigner = (test: Test, directory: string, who: string, { count, killAfter }: { count: number; killAfter?: number }) => {
  const child = spawn(process.execPath, [script, directory, who, String(count)], { stdio: ['ignore', 'pipe', 'inherit'] })
  test.teardown(() => child.kill('SIGKILL'))
  const written: Written[] = []
  createInterface(child.stdout).on('line', (line) => {
    written.push(JSON.parse(line, revived) as Written)
    if (killAfter !== undefined && written.filter(({ kind }) => kind === 'signed').length >= killAfter) child.kill('SIGKILL')
  })
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => child.once('close', (code, signal) => resolve(code ?? signal)))
  return { written, ended }
}

const stepsOf = (written: readonly Written[], kind: Written['kind']): readonly Signed[] =>
  written.filter((each) => each.kind === kind).map(({ step }) => step)

const recordsIn = async (directory: string): Promise<readonly SignedHead[]> => {
  const session = await createDirectorySignerStore({
    files: createSignerFiles(directory, systemRandomness),
    installation: 'together',
  }).claim()
  await session.close()
  return session.records()
}

t.test('three processes that claim from each other never sign two heads that do not follow', async (t) => {
  const directory = path.join(t.testdir(), 'signer')
  const signers = ['a', 'b', 'c'].map((who) => startSigner(t, directory, who, { count: 15 }))
  t.same(await Promise.all(signers.map(({ ended }) => ended)), [0, 0, 0])
  const written = signers.flatMap((signer) => signer.written)
  const signed = stepsOf(written, 'signed')
  t.equal(signed.length, 3 * 15 * 2)
  t.equal(forkIn(stepsOf(written, 'tried'), signed), undefined)
  for (const { origin, size } of await recordsIn(directory))
    t.ok(size >= 45n && signed.every(({ to }) => to.origin !== origin || to.size <= size), `${origin} is at ${size}`)
})

t.test('processes killed in the middle of it lose nothing that was signed', async (t) => {
  const directory = path.join(t.testdir(), 'signer')
  const written: Written[] = []
  for (const who of ['a', 'b', 'c']) {
    const signer = startSigner(t, directory, who, { count: 100_000, killAfter: 12 })
    t.equal(await signer.ended, 'SIGKILL')
    written.push(...signer.written)
  }
  const signed = stepsOf(written, 'signed')
  // What was recorded last may not have been printed any more.
  const printed = new Set(stepsOf(written, 'tried').map(({ to }) => Buffer.from(to.root).toString('hex')))
  const records = (await recordsIn(directory)).filter(({ root }) => printed.has(Buffer.from(root).toString('hex')))
  t.equal(forkIn(stepsOf(written, 'tried'), [...signed, ...records.map((to) => ({ from: undefined, to }))]), undefined)
  const sizes = new Map((await recordsIn(directory)).map(({ origin, size }) => [origin, size]))
  for (const { to } of signed) if ((sizes.get(to.origin) ?? 0n) < to.size) t.fail(`${to.origin} ${to.size} was signed and is not recorded`)
})

t.test('twin: the check finds two heads that do not follow from each other', async (t) => {
  const root = (byte: number) => Buffer.alloc(32, byte)
  const first = { from: undefined, to: { origin: 'one', size: 1n, root: root(1) } }
  const second = { from: first.to, to: { origin: 'one', size: 2n, root: root(2) } }
  const forked = { from: first.to, to: { origin: 'one', size: 3n, root: root(3) } }
  t.equal(forkIn([first, second, forked], [first, second]), undefined)
  t.ok(forkIn([first, second, forked], [second, forked]))
  t.ok(forkIn([first], [first, { from: undefined, to: { ...first.to, root: root(4) } }]))
})
