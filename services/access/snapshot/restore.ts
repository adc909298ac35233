import type { Pseudonym } from '../../audit/vault.ts'
import type { Confidentiality, SubjectReference } from '../events.ts'
import { defineRole } from '../policy/roles.ts'
import { join } from '../state/care-teams.ts'
import { addConsent, type ConsentState, consentPurposes } from '../state/consents.ts'
import { type EmergencyState, openEmergency } from '../state/emergencies.ts'
import { addGrant, type GrantState } from '../state/grants.ts'
import { indexShare, type ShareState } from '../state/shares.ts'
import { type ClinicState, emptyState } from '../state.ts'
import { type Columns, type EmergencyRow, type Parts, type Place, snapshotFormat, type TimeCell } from './format.ts'

export interface RestoredState {
  readonly state: ClinicState
  /** SHA-256, base64url, of the ledger's entry at the state's revision. */
  readonly anchor: string
}

/** Null is none. Text is what was no number, and is none again: damage closes, it does not open. */
const optionalTime = (cell: TimeCell): number | undefined => (cell === null ? undefined : Number(cell))

const time = (cell: TimeCell): number => (cell === null ? Number.NaN : Number(cell))

const there = <Value>(value: Value | undefined): Value => {
  if (value === undefined) throw new Error('a place that is not there')
  return value
}

const optional = <Cell, Value>(cell: Cell | null, read: (cell: Cell) => Value): Value | undefined =>
  cell === null ? undefined : read(cell)

/** Second indexes are built by the fold's own functions, in their own order; what is in the first index keeps its place there. */
const createRestorer = () => {
  const state = emptyState()
  let anchor: string | undefined
  const names: string[] = []
  const lists: (readonly string[])[] = []
  const references: SubjectReference[] = []
  const typeSets = new Map<Place, ReadonlySet<string>>()
  const coveredPurposes = new Map<string, ReadonlySet<string>>()
  const grants: GrantState[] = []
  let sharedRecords: readonly Pseudonym[] = []
  const shares: ShareState[] = []
  const consents: ConsentState[] = []
  const emergencies: EmergencyState[] = []

  const name = (place: Place): string => there(names[place])
  const pseudonym = (place: Place): Pseudonym => there(names[place]) as Pseudonym
  const list = (place: Place): readonly string[] => there(lists[place])
  const reference = (place: Place): SubjectReference => there(references[place])
  const typeSet = (place: Place): ReadonlySet<string> => {
    const known = typeSets.get(place) ?? new Set(list(place))
    typeSets.set(place, known)
    return known
  }
  const covered = (decision: ConsentState['decision'], purposes: Place): ReadonlySet<string> => {
    const key = `${decision} ${purposes}`
    const known = coveredPurposes.get(key) ?? consentPurposes(decision, list(purposes))
    coveredPurposes.set(key, known)
    return known
  }

  const emergencyOf = (column: Columns<EmergencyRow>, row: number): EmergencyState => ({
    id: there(column.id[row]),
    subject: reference(there(column.subject[row])),
    patient: pseudonym(there(column.patient[row])),
    purpose: there(column.purpose[row]),
    from: time(there(column.from[row])),
    until: time(there(column.until[row])),
    closed: there(column.closed[row]),
    reviewDue: time(there(column.reviewDue[row])),
  })

  const read: { readonly [P in keyof Parts]: (content: Parts[P]) => void } = {
    header: (header) => {
      if (header.format !== snapshotFormat) throw new Error('a snapshot of another format')
      anchor = header.anchor
      state.revision = BigInt(header.revision)
      state.clinic = header.clinic ?? undefined
      state.settings = header.settings
    },
    names: (content) => void names.push(...content),
    lists: (content) => void lists.push(...content),
    references: ({ type, pseudonym: of }) => {
      for (let row = 0; row < of.length; row += 1) references.push({ type: there(type[row]), pseudonym: there(of[row]) })
    },
    roles: (definitions) => {
      for (const definition of definitions) defineRole(state.roles, definition)
    },
    subjects: (column) => {
      for (let row = 0; row < column.reference.length; row += 1) {
        const subject = reference(there(column.reference[row]))
        state.subjects.set(subject.pseudonym, {
          reference: subject,
          status: there(column.status[row]),
          known: there(column.known[row]),
          ownPatient: optional(there(column.ownPatient[row]), pseudonym),
          memberOf: there(column.memberOf[row]).map(reference),
          cutOff: optionalTime(there(column.cutOff[row])),
          offboarding: there(column.offboarding[row]) ?? undefined,
        })
      }
    },
    grants: (column) => {
      for (let row = 0; row < column.id.length; row += 1) {
        const grant: GrantState = {
          from: optionalTime(there(column.from[row])),
          until: optionalTime(there(column.until[row])),
          id: there(column.id[row]),
          subject: reference(there(column.subject[row])),
          role: name(there(column.role[row])),
          grantor: optional(there(column.grantor[row]), reference),
          revision: BigInt(there(column.revision[row])),
        }
        grants.push(grant)
        state.grants.byId.set(grant.id, grant)
      }
    },
    grantOrder: (places) => {
      for (const place of places) addGrant(state.grants, there(grants[place]))
    },
    memberships: ({ subject, patient, from, until }) => {
      for (let row = 0; row < subject.length; row += 1) {
        join(state.careTeams, {
          from: optionalTime(from[row] as TimeCell),
          until: optionalTime(until[row] as TimeCell),
          patient: names[patient[row] as Place] as Pseudonym,
          subject: names[subject[row] as Place] as Pseudonym,
        })
      }
    },
    sharedRecords: (records) => {
      sharedRecords = records
    },
    shares: ({ id, recipient, patient, resourceTypes, recordCount, actions, purpose, until }) => {
      let next = 0
      for (let row = 0; row < id.length; row += 1) {
        const count = recordCount[row] as number | null
        const share: ShareState = {
          id: id[row] as string,
          recipient: references[recipient[row] as Place] as SubjectReference,
          patient: names[patient[row] as Place] as Pseudonym,
          resourceTypes: lists[resourceTypes[row] as Place] as readonly string[],
          records: count === null ? undefined : sharedRecords.slice(next, next + count),
          actions: lists[actions[row] as Place] as readonly string[],
          purpose: names[purpose[row] as Place] as string,
          until: time(until[row] as TimeCell),
        }
        next += count ?? 0
        shares.push(share)
        state.shares.byId.set(share.id, share)
      }
    },
    shareOrder: (places) => {
      for (const place of places) indexShare(state.shares.byRecipient, shares[place] as ShareState)
    },
    recipients: (places) => {
      for (const place of places) state.shares.recipients.add(pseudonym(place))
    },
    describedSubjects: ({ subject, properties }) => {
      for (let row = 0; row < subject.length; row += 1) {
        state.directory.subjects.set(pseudonym(there(subject[row])), there(properties[row]))
      }
    },
    resources: (column) => {
      for (let row = 0; row < column.record.length; row += 1) {
        const record = there(column.record[row])
        state.directory.resources.set(record, {
          resourceType: name(there(column.resourceType[row])),
          record,
          patient: optional(there(column.patient[row]), pseudonym),
          confidentiality: name(there(column.confidentiality[row])) as Confidentiality,
          sensitivities: list(there(column.sensitivities[row])),
          properties: there(column.properties[row]),
          entryId: there(column.entryId[row]),
        })
      }
    },
    consents: (column) => {
      for (let row = 0; row < column.id.length; row += 1) {
        const decision = there(column.decision[row])
        const purposes = there(column.purposes[row])
        const consent: ConsentState = {
          from: optionalTime(there(column.from[row])),
          until: optionalTime(there(column.until[row])),
          id: there(column.id[row]),
          patient: pseudonym(there(column.patient[row])),
          recipient: optional(there(column.recipient[row]), reference),
          resourceTypes: optional(there(column.resourceTypes[row]), typeSet),
          purposes: list(purposes),
          coveredPurposes: covered(decision, purposes),
          decision,
        }
        consents.push(consent)
        state.consents.byId.set(consent.id, consent)
      }
    },
    consentOrder: (places) => {
      for (const place of places) addConsent(state.consents, there(consents[place]))
    },
    emergencies: (column) => {
      for (let row = 0; row < column.id.length; row += 1) {
        const emergency = emergencyOf(column, row)
        emergencies.push(emergency)
        state.emergencies.byId.set(emergency.id, emergency)
      }
    },
    reviewedEmergencies: (column) => {
      for (let row = 0; row < column.id.length; row += 1) {
        const emergency = emergencyOf(column, row)
        state.emergencies.reviewed.set(emergency.id, emergency)
      }
    },
    emergencyOrder: (places) => {
      for (const place of places) openEmergency(state.emergencies, there(emergencies[place]))
    },
    employeePatients: (places) => {
      for (const place of places) state.employeePatients.add(pseudonym(place))
    },
  }

  return {
    read: <P extends keyof Parts>([part, content]: readonly [part: P, content: Parts[P]]): void => {
      if (!Object.hasOwn(read, part)) throw new Error('a part that is not known')
      read[part](content)
    },
    end: (): RestoredState => {
      if (anchor === undefined) throw new Error('a snapshot without a header')
      return { state, anchor }
    },
  }
}

/**
 * The state of a snapshot's text, equal to the one it was made of. Yields after each line, so that whoever runs it can let other work in.
 * Throws on text that `serialiseState` of this format has not made; only what the vault has opened may come here.
 */
export function* restoreState(text: string): Generator<undefined, RestoredState> {
  const restorer = createRestorer()
  let start = 0
  while (start < text.length) {
    const end = text.indexOf('\n', start)
    if (end < 0) throw new Error('a line that does not end')
    restorer.read(JSON.parse(text.slice(start, end)) as readonly [keyof Parts, never])
    start = end + 1
    yield
  }
  return restorer.end()
}
