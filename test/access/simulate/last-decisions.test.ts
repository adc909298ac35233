import t from 'tap'
import type { ClinicWriter } from '../../../services/access/clinic-writer.ts'
import { createLastDecisions } from '../../../services/access/simulate/last-decisions.ts'
import { createMemoryEngine } from '../../../services/audit/engines/memory.ts'
import { createVault } from '../../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../../services/audit/vault/memory-key-store.ts'
import type { CallContext } from '../../../services/kernel/caller.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { fault } from '../../support/fault.ts'
import { createLedgerScript } from '../../support/ledger-script.ts'
import { manualClock } from '../../support/manual-clock.ts'

const setUp = async (searchedAtLeast?: number) => {
  const clock = manualClock()
  const engine = createMemoryEngine({ clock })
  const masterKey = createMasterKey(systemRandomness.bytes(32), systemRandomness)
  const keyStore = createMemoryKeyStore()
  const vault = createVault({ masterKey, keyStore, randomness: systemRandomness, clock, dataKeyTtlMs: 0 })
  const script = await createLedgerScript(engine, vault, 'north')
  const reads: (readonly [bigint, bigint])[] = []
  const entries = {
    read: (clinic: string, from: bigint, to: bigint) => {
      reads.push([from, to])
      return engine.read(clinic, from, to)
    },
  }
  const last = createLastDecisions({ ledger: engine, entries, clock, ...(searchedAtLeast === undefined ? {} : { searchedAtLeast }) })
  const writer = { clinic: 'north', vault: script.vault } as ClinicWriter
  const context = (deadline = Number.POSITIVE_INFINITY) => ({ deadline, signal: new AbortController().signal }) as CallContext
  return { script, keyStore, reads, context, clock, ask: (count: number, of = context()) => last(of, writer, count) }
}

t.test('decisions are found newest first, however much stands between them, a thousand entries at a time', async (t) => {
  const { script, reads, ask } = await setUp()
  const anna = await script.staff('anna')
  const written: bigint[] = []
  for (let index = 0; index < 2_600; index += 1) {
    if (index % 500 === 0) written.push((await script.decided('permit', { subject: anna })).revision)
    else await script.recorded({ subject: anna })
  }
  const found = await ask(4)
  t.same(
    found.map(({ entry }) => entry.revision),
    written.toReversed().slice(0, 4),
  )
  t.ok(reads.every(([from, to]) => to - from < 1_000n))
  t.same(
    (await ask(10_000)).map(({ entry }) => entry.revision),
    written.toReversed(),
    'all there are',
  )
})

t.test('what an entry tells becomes the question again', async (t) => {
  const { script, ask } = await setUp()
  const anna = await script.staff('anna')
  const patient = await script.patient('p-1')
  const { time } = await script.write(
    'chartwarden.access.decided.v1',
    {
      decision: 'permit',
      reason_code: 'role_permits',
      rule: 'role/dentist#1',
      obligations: [],
      intent: 'access',
      subject: anna,
      action: 'read',
      resource_type: 'imaging',
      patient,
      purpose: 'TREAT',
      roles: [],
      session: { issued_at: '2026-11-23T07:00:00.000Z' },
      state_revision: 0,
    },
    {
      sealed: {
        resource_id: 'img-7',
        supported_obligations: ['mask'],
        attributes: { 'resource.properties.status': 'final', 'context.ward.name': 'b' },
        absent: ['subject.properties.level'],
      },
    },
  )
  const [decision] = await ask(1)
  const question = decision?.question
  t.equal(question?.kind, 'question')
  if (question?.kind !== 'question') return
  t.match(question.asked, {
    request: {
      subject: anna,
      action: 'read',
      resourceType: 'imaging',
      record: script.vault.pseudonym({ kind: 'record', type: 'imaging', id: 'img-7' }),
      patient,
      purpose: 'TREAT',
      session: { issuedAt: Date.parse('2026-11-23T07:00:00.000Z') },
      supportedObligations: new Set(['mask']),
      stated: {
        resource: { status: 'final' },
        subject: undefined,
        context: { ward: { name: 'b' } },
        caller: 'practice-software',
        override: false,
        recordedAt: time,
      },
    },
    recorded: { known: new Set(['resource.properties.status', 'context.ward.name', 'subject.properties.level']), obligationsKept: true },
  })
})

t.test('an entry of an older version, an erased one and an administrative one say what they are', async (t) => {
  const { script, keyStore, clock, ask } = await setUp()
  const anna = await script.staff('anna')
  const patient = await script.patient('p-1')
  await script.decided('deny', { subject: anna }, { operation: 'grant_role' })
  await script.decided('permit', { subject: anna, patient })
  await script.decided('permit', { subject: anna })
  await script.write('chartwarden.access.decided.v1', {
    decision: 'deny',
    reason_code: 'no_grant',
    rule: '',
    obligations: [],
    intent: 'access',
    subject: anna,
    action: 'read',
    resource_type: 'imaging',
    purpose: 'TREAT',
    roles: [],
    state_revision: 0,
  })
  keyStore.destroy('north', patient)
  clock.advance(1)
  const questions = (await ask(10)).map(({ question }) => question)
  t.match(questions, [
    { kind: 'not_simulated', reason: 'identity_erased' },
    { kind: 'question', asked: { recorded: { obligationsKept: false } } },
    { kind: 'not_simulated', reason: 'identity_erased' },
    { kind: 'not_simulated', reason: 'administrative' },
  ])
})

t.test(
  'the ledger is searched fifty entries for each decision, at least a number, and where it was not searched further is said',
  async (t) => {
    const { script, reads, ask } = await setUp(1_000)
    const anna = await script.staff('anna')
    const rare = await script.decided('permit', { subject: anna })
    for (let index = 0; index < 2_198; index += 1) await script.recorded({ subject: anna })
    const found = await script.decided('permit', { subject: anna })
    t.match(await ask(1), [{ entry: { revision: found.revision }, question: { kind: 'question' } }], 'enough were found')
    reads.length = 0
    const searched = await ask(2)
    t.match(searched, [
      { entry: { revision: found.revision } },
      { entry: { revision: found.revision - 999n }, question: { kind: 'not_simulated', reason: 'not_searched' } },
    ])
    t.equal(searched.length, 2)
    t.equal(reads.length, 1)
    t.match(
      await ask(41),
      [{ entry: { revision: found.revision } }, { entry: { revision: rare.revision } }],
      'asked for more, it looks further',
    )
    t.equal((await ask(41)).length, 2, 'what was read to its beginning says nothing')
  },
)

t.test('it ends at the deadline', async (t) => {
  const { script, ask, context } = await setUp()
  await script.decided('permit', { subject: await script.staff('anna') })
  await t.rejects(ask(10, context(0)), fault('DEADLINE_EXCEEDED'))
})
