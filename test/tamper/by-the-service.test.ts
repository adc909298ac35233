/**
 * What the service itself finds of tampering: in what it keeps beside the ledger, its states and read models, and, by what its signer store
 * remembers outside the database, even an older copy of it. Nothing from outside the installation is needed for that.
 */
import t, { type Test } from 'tap'
import { readChecked } from '../../services/ledger-check.ts'
import type { Attacker } from '../support/attacker.ts'
import { openAttacker } from '../support/attacker.ts'
import { clientsOf } from '../support/clinic.ts'
import { type Chartwarden, commandLine } from '../support/command-line.ts'
import { type InstallationCopy, sealedInstallation } from '../support/sealed-installation.ts'
import type { TestService } from '../support/service.ts'
import { attacked, type Faults, faultTexts, keptFiles, type TamperCase } from '../support/tamper-cases.ts'

const installation = await sealedInstallation(t)
const { size, older, middle } = installation
const kept = keptFiles(t, installation)
const anchors = { 'a later checkpoint': kept.later, 'a receipt': kept.middle, nothing: [] }

interface Own {
  readonly state: boolean
  readonly projections: boolean
  readonly faults: Parameters<typeof faultTexts>[0]
  readonly entry?: { readonly id: string; readonly revision: string }
}

const running = async (test: Test, copy: InstallationCopy) => {
  const service: TestService = await copy.start()
  const clients = clientsOf(service, await service.token({ clinics: ['north', 'south'] }))
  const chartwarden = commandLine({
    CHARTWARDEN_STATE_DIR: service.stateDir,
    CHARTWARDEN_GRPC_ADDR: service.address,
    CHARTWARDEN_HTTP_ADDR: `127.0.0.1:${service.httpPort}`,
  })
  const attacker = await openAttacker(copy.database.adminUrl)
  test.teardown(async () => {
    await attacker.close()
    await service.stop()
  })
  return { service, clients, chartwarden, attacker }
}

/** As somebody would who has the service check itself. */
const checked = async (chartwarden: Chartwarden, ...more: readonly string[]): Promise<{ readonly code: number; readonly own: Own }> => {
  const ran = await chartwarden('verify', '--json', '--clinic', 'north', ...more)
  if (!ran.out.startsWith('{')) throw new Error(ran.out + ran.err)
  return { code: ran.code, own: (JSON.parse(ran.out) as { readonly own: Own }).own }
}

/** What the entry says that a check has left. */
const recordedIn = async (attacker: Attacker, own: Own) => {
  const { bytes } = await attacker.row('north', BigInt(own.entry?.revision ?? -1))
  return readChecked({ bytes })
}

t.test('a kept state and a read model: edited, they are found and named, whatever is known outside', async (t) => {
  const { chartwarden, attacker } = await running(t, await installation.copy(t))
  const both = ['--state', '--projections']
  const [{ state_revision: stateRevision }] = (await attacker.query(
    `select state_revision from chartwarden_snapshot.states where clinic = 'north'`,
  )) as [{ state_revision: string }]
  const [{ schema_name: schema }] = (await attacker.query(
    `select schema_name from chartwarden_projections.generations where projection = 'access_history' and state = 'live'`,
  )) as [{ schema_name: string }]
  const table = `${schema}.access_history`
  const kept = `${schema}.kept`
  await attacker.query(`create table ${kept} as select * from ${table} where clinic = 'north' and revision = $1`, [middle])
  const row = `clinic = 'north' and revision = ${middle}`

  await t.test('twin: untouched, the same commands find nothing', async (t) => {
    for (const [name, anchor] of Object.entries(anchors)) {
      const { code, own } = await checked(chartwarden, ...both, ...anchor)
      t.match({ code, own }, { code: 0, own: { state: true, projections: true, faults: { length: 0 } } }, name)
      t.match(await recordedIn(attacker, own), { result: 'intact', compared: ['state', 'projections'], cause: 'asked' })
    }
  })

  const turnByte = `update chartwarden_snapshot.states set sealed = set_byte(sealed, 40, 255 - get_byte(sealed, 40)) where clinic = 'north'`
  const cases: readonly {
    readonly what: string
    readonly attack: string
    readonly undo: string
    readonly faults: Faults
    readonly off: string
  }[] = [
    {
      what: 'one byte of a kept state',
      attack: turnByte,
      undo: turnByte,
      faults: [`snapshot_changed ${stateRevision}..${stateRevision}`],
      off: '--projections',
    },
    {
      what: 'the revision of a kept state',
      attack: `update chartwarden_snapshot.states set state_revision = state_revision - 1 where clinic = 'north'`,
      undo: `update chartwarden_snapshot.states set state_revision = state_revision + 1 where clinic = 'north'`,
      faults: [`snapshot_changed ${BigInt(stateRevision) - 1n}..${BigInt(stateRevision) - 1n}`],
      off: '--projections',
    },
    {
      what: 'a row of a read model, edited',
      attack: `update ${table} set caller = 'somebody' where ${row}`,
      undo: `update ${table} x set caller = k.caller from ${kept} k where x.clinic = k.clinic and x.revision = k.revision`,
      faults: [`read_model_changed ${middle}..${middle}`],
      off: '--state',
    },
    {
      what: 'a row of a read model, given to another clinic',
      attack: `update ${table} set clinic = 'south', revision = -1 where ${row}`,
      undo: `update ${table} set clinic = 'north', revision = ${middle} where clinic = 'south' and revision = -1`,
      faults: [`read_model_changed ${middle}..${middle}`],
      off: '--state',
    },
  ]
  for (const { what, attack, undo, faults, off } of cases) {
    await t.test(what, async (t) => {
      await attacker.query(attack)
      for (const [name, anchor] of Object.entries(anchors)) {
        const { code, own } = await checked(chartwarden, ...both, ...anchor)
        t.strictSame([code, faultTexts(own.faults)], [10, faults], `with ${name}`)
        const [kind, revision] = (faults[0] as string).split(/ |\.\./)
        t.match(await recordedIn(attacker, own), { result: 'damaged', faults: [{ kind, revision }] })
      }
      const { code, own } = await checked(chartwarden, off)
      t.strictSame([code, faultTexts(own.faults)], [0, []], 'twin: with that comparison off, nothing is found')
      await attacker.query(undo)
      t.strictSame(faultTexts((await checked(chartwarden, ...both)).own.faults), [], 'put back, it is as it was')
    })
  }
})

/** The service's own check of a copy that was attacked before it started. */
const ownCheck = async (test: Test, attack: TamperCase['attack'], of?: TamperCase['of'], outside?: TamperCase['of']): Promise<Own> => {
  const { copy } = await attacked(test, installation, attack, of, outside)
  const { clients } = await running(test, copy)
  let own: Own | undefined
  for await (const { item } of clients.audit.checkLedger({ clinic: 'north', state: true, projections: true })) {
    if (item.case !== 'result') continue
    const { state, projections, faults, entry } = item.value
    own = {
      state,
      projections,
      faults: faults.map((fault) => ({ ...fault, clinic: 'north', revision: `${fault.revision}`, lastRevision: `${fault.lastRevision}` })),
      ...(entry === undefined ? {} : { entry: { id: entry.id, revision: `${entry.revision}` } }),
    }
  }
  if (own === undefined) throw new Error('no result')
  return own
}

t.test('entries and tiles: the service’s own check names what a stranger’s would, and records it', async (t) => {
  for (const [name, attack, faults] of [
    ['one byte', (x) => x.editByte('north', middle), [`entry_changed ${middle}..${middle}`]],
    ['deleted', (x) => x.remove('north', middle), [`entry_missing ${middle}..${middle}`]],
    ['swapped', (x) => x.swap(['north', middle], ['south', middle + 5n]), [`entry_of_another_clinic ${middle}..${middle}`]],
  ] as const satisfies readonly (readonly [string, TamperCase['attack'], Faults])[]) {
    await t.test(name, async (t) => {
      const own = await ownCheck(t, attack)
      t.strictSame(faultTexts(own.faults), faults)
      t.match(
        own,
        { state: false, projections: false, entry: { revision: `${size}` } },
        'nothing is compared with a ledger that is not whole',
      )
    })
  }
})

t.test('an older copy of the database: what was signed is known outside of it, with nothing else from outside', async (t) => {
  const own = await ownCheck(t, async () => {}, 'older')
  t.strictSame(faultTexts(own.faults), [`ledger_rolled_back ${older}..${size - 1n}`])
  t.equal(own.entry, undefined, 'the ledger takes no entries, and its damage is told all the same')

  await t.test('twin: with a signer store that was rolled back too, nothing is found', async (t) => {
    const fooled = await ownCheck(t, async () => {}, 'older', 'older')
    t.strictSame(faultTexts(fooled.faults), [])
    t.match(fooled.entry, { revision: `${older}` })
  })
})

t.test('the end cut off with all that the log kept of it: found by the signer store', async (t) => {
  const own = await ownCheck(t, async (x) => {
    await x.truncate('north', size - 10n)
    await x.forgeLog('north', older)
  })
  t.strictSame(faultTexts(own.faults), [`ledger_rolled_back ${size - 10n}..${size - 1n}`])
})

t.test(
  'an entry behind the newest checkpoint that is left, with the whole log made anew: found by the root in the signer store',
  async (t) => {
    const attack: TamperCase['attack'] = async (x) => {
      await x.editByte('north', older + 5n)
      await x.forgeLog('north', older)
    }
    t.strictSame(faultTexts((await ownCheck(t, attack)).faults), [`entry_changed 0..${size - 1n}`])

    await t.test('twin: with a signer store of before, only what the entry’s own seal and the read models tell is found', async (t) => {
      const faults = faultTexts((await ownCheck(t, attack, 'now', 'older')).faults)
      t.notOk(faults.includes(`entry_changed 0..${size - 1n}`), faults.join())
    })
  },
)

t.test('through the running service a stranger is told what was done, with what the service itself compares', async (t) => {
  const through = async (test: Test, attack: TamperCase['attack']) => {
    const { chartwarden, attacker } = await running(test, await installation.copy(test))
    await attack(attacker)
    const ran = await chartwarden('verify', '--json', '--clinic', 'north', '--state')
    if (!ran.out.startsWith('{')) throw new Error(`no report: ${ran.out}${ran.err}`)
    const answer = JSON.parse(ran.out) as {
      readonly ledgers: readonly [Pick<Own, 'faults'>]
      readonly own?: Own
      readonly ownRefused?: string
    }
    return { code: ran.code, faults: faultTexts(answer.ledgers[0].faults), own: answer.own ?? answer.ownRefused }
  }
  for (const [name, attack, faults] of [
    ['one byte', (x) => x.editByte('north', middle), [`entry_changed ${middle}..${middle}`]],
    ['deleted: as far as the bundle can tell that the service refuses', (x) => x.remove('north', middle), [`entry_missing ${middle}..255`]],
    [
      'a checkpoint edited',
      async (x) => {
        await x.query(`update chartwarden_log.checkpoints set note = replace(note, E'\n', E'\nA') where clinic = 'north'`)
      },
      ['checkpoint_invalid 0..0'],
    ],
  ] as const satisfies readonly (readonly [string, TamperCase['attack'], Faults])[]) {
    await t.test(name, async (t) => {
      const { code, faults: told, own } = await through(t, attack)
      t.strictSame([code, told], [10, faults])
      t.ok(own, 'and the service was asked to compare its state all the same')
    })
  }
  await t.test('the end cut off, and begun anew by what the service records itself', async (t) => {
    const { code, faults, own } = await through(t, (x) => x.truncate('north', size - 10n))
    t.equal(code, 10)
    t.match(faults.at(-1), new RegExp(`^ledger_(truncated|rolled_back) \\d+\\.\\.${size - 1n}$`))
    t.match(faults[0], new RegExp(`^(ledger_truncated|ledger_rolled_back|entry_changed) ${size - 10n}\\.\\.`))
    t.ok(own)
  })
  await t.test('twin: untouched, nothing is found', async (t) => {
    t.match(await through(t, async () => {}), { code: 0, faults: { length: 0 }, own: { state: true, faults: { length: 0 } } })
  })
})

t.test('a log signed with a key of the attacker’s own: the service knows its keys', async (t) => {
  const own = await ownCheck(t, async (x) => {
    await x.editByte('north', middle)
    await x.forgeLog('north', 0n)
    await x.replaceKey('north')
  })
  t.ok(faultTexts(own.faults).includes(`key_replaced 0..${size - 1n}`), faultTexts(own.faults).join())
})
