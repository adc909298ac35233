/** A clinic in memory that holds one thing of each kind that ends by itself, under a clock the test moves; replicas share its ledger. */
import { createClinicWriters } from '../../services/access/clinic-writer.ts'
import { decodeEntry } from '../../services/access/event-codec.ts'
import type { AccessEvent } from '../../services/access/events.ts'
import { createBatcher } from '../../services/audit/batcher.ts'
import { createMemoryEngine } from '../../services/audit/engines/memory.ts'
import type { Ledger } from '../../services/audit/ledger.ts'
import { createLedgerClock } from '../../services/audit/ledger-clock.ts'
import { createVault } from '../../services/audit/vault/create-vault.ts'
import { createMasterKey } from '../../services/audit/vault/master-key.ts'
import { createMemoryKeyStore } from '../../services/audit/vault/memory-key-store.ts'
import { systemRandomness } from '../../services/kernel/ids.ts'
import { createLedgerScript } from './ledger-script.ts'
import { type ManualClock, manualClock } from './manual-clock.ts'

const spelled = (time: number): string => new Date(time).toISOString()

export const createEndingHouse = () => {
  const clock = manualClock()
  const engine = createMemoryEngine({ clock })
  const vault = createVault({
    masterKey: createMasterKey(systemRandomness.bytes(32), systemRandomness),
    keyStore: createMemoryKeyStore(),
    randomness: systemRandomness,
  })
  const events = async (clinic: string): Promise<readonly AccessEvent[]> => {
    const found: AccessEvent[] = []
    for await (const entry of engine.read(clinic, 0n, 1_000_000n)) {
      const event = decodeEntry(entry)
      if (event !== undefined) found.push(event)
    }
    return found
  }
  /** A process of its own over the same ledger; its clock may be another and its ledger decorated. */
  const replica = (
    over: { readonly clock?: ManualClock; readonly ledger?: (ledger: Ledger) => Ledger; readonly maxClinics?: number } = {},
  ) => {
    const own = over.clock ?? clock
    const ledgerClock = createLedgerClock({ clock: own })
    const batcher = createBatcher({ engine, clock: own, ledgerClock })
    const ledger = over.ledger?.(batcher) ?? batcher
    const { now } = ledgerClock
    const writers = createClinicWriters({ ledger, vault, now, clock: own, maxClinics: over.maxClinics ?? 10 })
    return { ledger, writers, now, clock: own, randomness: systemRandomness }
  }
  /** A clinic where a grant, a place, a share, a consent and an emergency end at the same moment, and one grant never does. */
  const clinicEndingAt = async (clinic: string, until: number) => {
    const script = await createLedgerScript(engine, vault, clinic)
    const actor = { rule: 'scope/staff.write' }
    const anna = await script.staff('anna')
    const patient = await script.patient('p-1')
    await script.write('chartwarden.staff.enrolled.v1', { actor, subject: anna, member_of: [] })
    const kept = await script.granted(anna, 'open-ended')
    const grant = await script.granted(anna, 'dentist', { until })
    await script.write('chartwarden.careteam.joined.v1', { actor, patient, subject: anna, until: spelled(until) })
    const share = await script.write('chartwarden.record.shared.v1', {
      actor,
      recipient: anna,
      patient,
      resource_types: ['imaging'],
      actions: ['read'],
      purpose: 'COC',
      until: spelled(until),
    })
    const consent = await script.write('chartwarden.consent.recorded.v1', {
      actor,
      patient,
      resource_types: [],
      purposes: [],
      decision: 'deny',
      until: spelled(until),
    })
    const emergency = await script.write('chartwarden.emergency.opened.v1', {
      actor,
      subject: anna,
      patient,
      purpose: 'BTG',
      until: spelled(until),
      review_due: spelled(until + 1),
    })
    return { script, anna, patient, kept, grant, share, consent, emergency }
  }
  return { clock, engine, vault, events, replica, clinicEndingAt }
}

export type EndingHouse = ReturnType<typeof createEndingHouse>

/** What says that something ended by itself, without its place in the ledger. */
export const endingsOf = (events: readonly AccessEvent[]): readonly { readonly type: string; readonly data: unknown }[] =>
  events
    .filter(({ type, data }) => type.endsWith('.expired.v1') || ('cause' in data && data.cause === 'expired'))
    .map(({ type, data }) => ({ type, data }))
