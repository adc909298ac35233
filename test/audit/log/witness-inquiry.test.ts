/** A ledger and its signer store that were put back together: nothing of ours knows, and a witness does. */
import { cpSync, rmSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { createPostgresLogReader } from '../../../services/audit/log/postgres-log-reader.ts'
import { createPublications } from '../../../services/audit/log/publications.ts'
import { retireOrigin } from '../../../services/audit/log/signer/operate.ts'
import { createSignerFiles } from '../../../services/audit/log/signer/signer-files.ts'
import { createWitnessInquiry } from '../../../services/audit/log/witness-inquiry.ts'
import type { PolicyWitness } from '../../../services/audit/log/witness-policy.ts'
import { systemClock } from '../../../services/kernel/clock.ts'
import { systemRandomness } from '../../../services/kernel/ids.ts'
import { newClinic } from '../../support/ledger-entries.ts'
import { openPool } from '../../support/postgres-engine.ts'
import { scriptedWitness } from '../../support/scripted-witness.ts'
import { backupOf, openSealing, originOf, type Sealing } from '../../support/sealing.ts'
import { scratchDirectory } from '../../support/service.ts'
import { startTestWitness } from '../../support/test-witness.ts'
import { waitFor } from '../../support/wait-for.ts'

t.setTimeout(280_000)

const inquiryOf = (test: Test, sealing: Sealing, witnesses: readonly PolicyWitness[]) => {
  const publications = createPublications({ pool: sealing.feed })
  test.teardown(() => publications.close())
  const reader = createPostgresLogReader({ pool: openPool(test, sealing.database.queryUrl), publications })
  return createWitnessInquiry({ policy: { witnesses }, reader, clock: systemClock, timeoutMs: 1_000 })
}

/** A clinic whose database and signer store were put back to 11 entries, after a witness had cosigned 21. */
const putBack = async (test: Test) => {
  const directory = scratchDirectory(test, 'signer')
  const sealing = await openSealing(test, { files: createSignerFiles(directory, systemRandomness) })
  const clinic = newClinic('put-back')
  const origin = originOf(clinic)
  const [key] = await sealing.keys.current(clinic)
  const logs = key === undefined ? [] : [{ origin, key: key.verifierKey(origin) }]
  const witness = await startTestWitness(test, { logs, name: 'accountant.example' })
  const inquire = inquiryOf(test, sealing, [witness.asPolicy])
  const publish = async (): Promise<void> => {
    const sealer = sealing.sealer({ inquire })
    sealer.start()
    await sealing.write(clinic, 10)
    await sealing.published(clinic)
    await sealer.stop()
  }
  await publish()
  const restore = await backupOf(sealing.superuser, clinic)
  const older = path.join(scratchDirectory(test, 'copy'), 'signer')
  cpSync(directory, older, { recursive: true })
  await publish()
  test.same(await inquire([{ clinic, origin, generation: 1, signed: 21n }], AbortSignal.timeout(5_000)), new Map(), 'it cosigns 21 entries')
  rmSync(directory, { recursive: true })
  cpSync(older, directory, { recursive: true })
  await restore()
  await sealing.write(clinic, 10)
  return { ...sealing, clinic, origin, inquire, witness }
}

t.test('nothing is signed of a log of which a witness has seen more, until an operator has said what holds', async (t) => {
  const { clinic, origin, inquire, ...sealing } = await putBack(t)
  const later = newClinic('later')
  await sealing.write(later, 3)
  sealing.sealer({ inquire, announceRestart: () => sealing.write(clinic, 1) }).start()
  await waitFor('the halt', async () => (await sealing.halted(clinic)) === 'store_behind')
  await sealing.published(later)
  t.equal((await sealing.newest(clinic))?.size, 11n, 'no second history is signed')
  t.match(
    sealing.lines.find(({ event }) => event === 'log.halted')?.message,
    `The witness accountant.example has cosigned 21 entries of ${origin}, but 11 are published here and the signer store knows of 11`,
  )
  t.equal(await retireOrigin(sealing.files, origin, 'restored_backup'), 'retired')
  await sealing.published(clinic)
  t.same(await sealing.faults(clinic), [])
  t.equal(await sealing.halted(clinic), undefined)
})

t.test('twin: without the question the fork is signed', async (t) => {
  const { clinic, ...sealing } = await putBack(t)
  sealing.sealer().start()
  await sealing.published(clinic)
  t.equal((await sealing.newest(clinic))?.size, 21n)
})

t.test('the halt is over once nobody says so any more', async (t) => {
  const { clinic, inquire, witness, ...sealing } = await putBack(t)
  sealing.sealer({ inquire }).start()
  await waitFor('the halt', async () => (await sealing.halted(clinic)) === 'store_behind')
  await witness.close()
  await waitFor('the end of the halt', async () => (await sealing.halted(clinic)) === undefined)
  await sealing.published(clinic)
  t.equal((await sealing.newest(clinic))?.size, 21n)
})

t.test('who does not answer keeps nobody from signing', async (t) => {
  const sealing = await openSealing(t)
  const silent = await scriptedWitness(t, () => {}, 'silent.example')
  const inquire = inquiryOf(t, sealing, [silent.asPolicy, { name: 'no-address.example', key: silent.asPolicy.key }])
  const clinics = [newClinic('one'), newClinic('two')]
  for (const round of [1, 2]) {
    const sealer = sealing.sealer({ inquire })
    sealer.start()
    for (const clinic of clinics) {
      await sealing.write(clinic, 3)
      await sealing.published(clinic)
    }
    await sealer.stop()
    t.equal(silent.asked.length > 0, round > 1, 'only a log of which something is published can be asked about')
  }
  t.same(
    sealing.lines.filter(({ event }) => event === 'log.halted'),
    [],
  )
})
