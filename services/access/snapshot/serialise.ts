import type { SubjectReference } from '../events.ts'
import type { EmergencyState } from '../state/emergencies.ts'
import type { CapturedState, Indexed } from './capture.ts'
import {
  type Columns,
  type EmergencyRow,
  type Part,
  type Parts,
  type Place,
  type ReferenceRow,
  type RowParts,
  snapshotFormat,
  type TimeCell,
} from './format.ts'

/** Rows of one line: so few that writing or reading it takes no noticeable time. */
const rowsPerLine = 500

/** Values that are written once and named by their place. */
const createTable = <Value>(keyOf: (value: Value) => string) => {
  const places = new Map<string, Place>()
  let fresh: Value[] = []
  return {
    place: (value: Value): Place => {
      const key = keyOf(value)
      const known = places.get(key)
      if (known !== undefined) return known
      places.set(key, places.size)
      fresh.push(value)
      return places.size - 1
    },
    /** Those that have come since it was asked last. */
    takeFresh: (): readonly Value[] => {
      const taken = fresh
      fresh = []
      return taken
    },
  }
}

/** How each column of a part comes from what the state holds. */
type Cells<Held, Row> = { readonly [Column in keyof Row]: (held: Held) => Row[Column] }

const columnsOf = <Held, Row>(held: readonly Held[], cells: Cells<Held, Row>): Columns<Row> =>
  Object.fromEntries(
    Object.entries(cells).map(([column, cell]) => [column, held.map(cell as (one: Held) => unknown)]),
  ) as unknown as Columns<Row>

const referenceCells: Cells<SubjectReference, ReferenceRow> = { type: ({ type }) => type, pseudonym: ({ pseudonym }) => pseudonym }

const timeCell = (time: number | undefined): TimeCell => {
  if (time === undefined) return null
  return Number.isFinite(time) ? time : String(time)
}

const orNull = <Value, Written>(value: Value | undefined, write: (value: Value) => Written): Written | null =>
  value === undefined ? null : write(value)

const periodCells = {
  from: ({ from }: { readonly from: number | undefined }) => timeCell(from),
  until: ({ until }: { readonly until: number | undefined }) => timeCell(until),
}

const line = <P extends Part>(part: P, content: Parts[P]): string => `${JSON.stringify([part, content])}\n`

function* chunks<Held>(all: readonly Held[]): Generator<readonly Held[], void> {
  for (let first = 0; first < all.length; first += rowsPerLine) yield all.slice(first, first + rowsPerLine)
}

/**
 * A captured state as lines of text, always the same for the same state. `anchor`: SHA-256, base64url, of the entry at its revision. Nothing
 * is done ahead of the piece asked for.
 */
export function* serialiseState(captured: CapturedState, anchor: string): Generator<string, void> {
  const names = createTable<string>((name) => name)
  const lists = createTable<readonly string[]>((list) => JSON.stringify(list))
  const references = createTable<SubjectReference>(({ type, pseudonym }) => `${type}\n${pseudonym}`)
  const name = names.place
  const list = lists.place
  const reference = references.place

  /** What a line names must be ahead of it. */
  const withNames = (text: string): string => {
    const [newNames, newLists, newReferences] = [names.takeFresh(), lists.takeFresh(), references.takeFresh()]
    const ahead = [
      newNames.length === 0 ? '' : line('names', newNames),
      newLists.length === 0 ? '' : line('lists', newLists),
      newReferences.length === 0 ? '' : line('references', columnsOf(newReferences, referenceCells)),
    ]
    return ahead.join('') + text
  }
  function* rows<P extends keyof RowParts, Held>(part: P, all: readonly Held[], cells: Cells<Held, RowParts[P]>): Generator<string, void> {
    for (const held of chunks(all)) yield withNames(line(part, columnsOf(held, cells) as Parts[P]))
  }
  function* order<Held>(
    part: 'grantOrder' | 'shareOrder' | 'consentOrder' | 'emergencyOrder',
    indexed: Indexed<Held>,
  ): Generator<string, void> {
    const places = new Map(indexed.rows.map((row, place) => [row, place]))
    for (const held of chunks(indexed.order))
      yield line(
        part,
        held.map((row) => places.get(row) as Place),
      )
  }

  function* pseudonyms(part: 'recipients' | 'employeePatients', all: readonly string[]): Generator<string, void> {
    for (const held of chunks(all)) {
      const places = held.map(name)
      yield withNames(line(part, places))
    }
  }
  const emergencyCells: Cells<EmergencyState, EmergencyRow> = {
    id: ({ id }) => id,
    subject: ({ subject }) => reference(subject),
    patient: ({ patient }) => name(patient),
    purpose: ({ purpose }) => purpose,
    ...periodCells,
    closed: ({ closed }) => closed,
    reviewDue: ({ reviewDue }) => timeCell(reviewDue),
  }

  const { revision, clinic, settings } = captured
  yield line('header', { format: snapshotFormat, revision: `${revision}`, anchor, clinic: clinic ?? null, settings })
  for (const role of captured.roles) yield line('roles', [role])
  yield* rows('subjects', captured.subjects, {
    reference: (subject) => reference(subject.reference),
    status: ({ status }) => status,
    known: ({ known }) => known,
    ownPatient: ({ ownPatient }) => orNull(ownPatient, name),
    memberOf: ({ memberOf }) => memberOf.map(reference),
    cutOff: ({ cutOff }) => timeCell(cutOff),
    offboarding: ({ offboarding }) => offboarding ?? null,
  })
  yield* rows('grants', captured.grants.rows, {
    id: ({ id }) => id,
    subject: ({ subject }) => reference(subject),
    role: ({ role }) => name(role),
    grantor: ({ grantor }) => orNull(grantor, reference),
    revision: (grant) => `${grant.revision}`,
    ...periodCells,
  })
  yield* order('grantOrder', captured.grants)
  yield* rows('memberships', captured.memberships, {
    subject: ({ subject }) => name(subject),
    patient: ({ patient }) => name(patient),
    ...periodCells,
  })
  for (const shares of chunks(captured.shares.rows)) {
    yield line(
      'sharedRecords',
      shares.flatMap(({ records }) => records ?? []),
    )
    yield* rows('shares', shares, {
      id: ({ id }) => id,
      recipient: ({ recipient }) => reference(recipient),
      patient: ({ patient }) => name(patient),
      resourceTypes: ({ resourceTypes }) => list(resourceTypes),
      recordCount: ({ records }) => orNull(records, ({ length }) => length),
      actions: ({ actions }) => list(actions),
      purpose: ({ purpose }) => name(purpose),
      until: ({ until }) => timeCell(until),
    })
  }
  yield* order('shareOrder', captured.shares)
  yield* pseudonyms('recipients', captured.recipients)
  yield* rows('describedSubjects', captured.describedSubjects, {
    subject: ([pseudonym]) => name(pseudonym),
    properties: ([, properties]) => properties,
  })
  yield* rows('resources', captured.resources, {
    record: ({ record }) => record,
    resourceType: ({ resourceType }) => name(resourceType),
    patient: ({ patient }) => orNull(patient, name),
    confidentiality: ({ confidentiality }) => name(confidentiality),
    sensitivities: ({ sensitivities }) => list(sensitivities),
    properties: ({ properties }) => properties,
    entryId: ({ entryId }) => entryId,
  })
  yield* rows('consents', captured.consents.rows, {
    id: ({ id }) => id,
    patient: ({ patient }) => name(patient),
    recipient: ({ recipient }) => orNull(recipient, reference),
    resourceTypes: ({ resourceTypes }) => orNull(resourceTypes, (types) => list([...types])),
    purposes: ({ purposes }) => list(purposes),
    decision: ({ decision }) => decision,
    ...periodCells,
  })
  yield* order('consentOrder', captured.consents)
  yield* rows('emergencies', captured.emergencies.rows, emergencyCells)
  yield* order('emergencyOrder', captured.emergencies)
  yield* rows('reviewedEmergencies', captured.reviewedEmergencies, emergencyCells)
  yield* pseudonyms('employeePatients', captured.employeePatients)
}
