import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { verifyConsistency, verifyInclusion } from '../../../services/audit/log/verify-proofs.ts'
import { readRecord } from '../../support/clinic.ts'
import { northOverCli } from '../../support/north-over-cli.ts'
import { scratchDirectory } from '../../support/service.ts'
import { checkReceipt, readCheckpoint } from '../../support/tlog-client.ts'

/** The facts of a proof as it is printed, and its hashes. */
const readProof = (text: string) => {
  const lines = text.trimEnd().split('\n')
  const facts = new Map(lines.slice(0, 4).map((line) => line.split(' ') as [string, string]))
  const bytes = (base64: string | undefined): Buffer => Buffer.from(base64 ?? '', 'base64')
  return {
    number: (name: string): bigint => BigInt(facts.get(name) ?? -1),
    hash: (name: string): Buffer => bytes(facts.get(name)),
    hashes: lines.slice(4).map(bytes),
  }
}

t.test('checkpoints, receipts and proofs come by the command line as files that verify without it', async (t) => {
  const { clients, chartwarden } = await northOverCli(t)
  const directory = scratchDirectory(t, 'ledger')
  const { entry } = await clients.access.check(readRecord('north', 'anna'))
  const [id, revision] = [entry?.id as string, entry?.revision as bigint]
  const file = path.join(directory, 'entry.tlog-proof')

  const written = await chartwarden('ledger', 'receipt', '--clinic', 'north', '--entry', id, '--output', file)
  t.strictSame([written.code, written.out], [0, ''], written.err)
  t.match(
    written.err,
    new RegExp(
      `Proves entry ${id}, revision ${revision}, .*\\nCosigned by nobody\\.\\nVerifier key: chartwarden\\.localhost/v1/clinics/north/log\\+`,
    ),
  )
  const vkey = /Verifier key: (\S+)/.exec(written.err)?.[1] as string
  const { entry: shown } = await clients.audit.getEntry({ clinic: 'north', key: { case: 'id', value: id } })
  const receipt = readFileSync(file, 'utf8')
  t.ok(checkReceipt(receipt, shown?.canonical as Uint8Array, vkey))
  t.equal(statSync(file).mode & 0o077, 0, 'for its owner alone')
  const printed = await chartwarden('ledger', 'receipt', '--clinic', 'north', '--revision', String(revision))
  t.ok(checkReceipt(printed.out, shown?.canonical as Uint8Array, vkey), 'or on stdout')
  const json = await chartwarden('ledger', 'receipt', '--clinic', 'north', '--revision', String(revision), '--json')
  t.match(JSON.parse(json.out), { entry: { id, revision: String(revision) }, verifier_keys: [vkey] })

  const note = await chartwarden('ledger', 'checkpoint', '--clinic', 'north')
  const { size, root } = readCheckpoint(note.out, vkey)
  t.match(note.err, new RegExp(`^Covers ${size} of \\d+ entries, published \\d{4}-.*Z\\.\\nCosigned by nobody\\.\\nVerifier key: `))
  t.match(JSON.parse((await chartwarden('ledger', 'checkpoint', '--clinic', 'north', '--json')).out), {
    checkpoint: { witnesses: { length: 0 }, quorum: false },
    witnessed: null,
    verifier_keys: [vkey],
  })

  const inclusion = readProof((await chartwarden('ledger', 'proof', '--clinic', 'north', '--entry', id, '--size', String(size))).out)
  const claim = { leafHash: inclusion.hash('leaf'), index: inclusion.number('index'), size: BigInt(size), proof: inclusion.hashes, root }
  t.ok(verifyInclusion(claim))
  t.notOk(verifyInclusion({ ...claim, index: claim.index - 1n }), 'twin')
  const consistency = readProof((await chartwarden('ledger', 'proof', '--clinic', 'north', '--from', '3', '--size', String(size))).out)
  t.ok(
    verifyConsistency({
      firstSize: consistency.number('from'),
      secondSize: consistency.number('size'),
      firstRoot: consistency.hash('from-root'),
      secondRoot: root,
      proof: consistency.hashes,
    }),
  )

  const refused = path.join(directory, 'refused.tlog-proof')
  for (const [argv, code, told] of [
    [['receipt'], 2, /--entry: is required, or --revision/],
    [['receipt', '--entry', 'x'], 2, /UUID/],
    [['receipt', '--entry', id, '--revision', '1'], 2, /cannot be used with/],
    [['receipt', '--revision', '999999', '--output', refused], 6, /ENTRY_UNKNOWN/],
    [['receipt', '--entry', id, '--witnessed', '--output', refused], 6, /WITNESSES_OFF/],
    [['proof'], 2, /--entry: is required, or --revision, or --from/],
    [['proof', '--from', '0'], 2, /first_size/],
    [['proof', '--from', '1', '--entry', id], 2, /cannot be used with/],
    [['proof', '--entry', id, '--size', '999999'], 2, /TREE_SIZE_UNKNOWN/],
  ] as const) {
    const ran = await chartwarden('ledger', argv[0], '--clinic', 'north', ...argv.slice(1))
    t.equal(ran.code, code, argv.join(' '))
    t.match(ran.err, told, argv.join(' '))
  }
  t.notOk(existsSync(refused), 'no file stands for a receipt that was not given')
})
