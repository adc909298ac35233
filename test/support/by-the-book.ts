/**
 * The rules of deciding once more, straight from the list of events and without a fold: slow, and written to be read beside the design.
 * It only says whether the answer is a permit.
 */
import type { AccessRequest } from '../../services/access/decide.ts'
import type { AccessEvent, EventData, Permission } from '../../services/access/events.ts'
import { coveredBy } from '../../services/access/policy/purposes.ts'

type Of<T extends keyof EventData> = Extract<AccessEvent, { readonly type: T }>

const ofType = <T extends keyof EventData>(events: readonly AccessEvent[], type: T): readonly Of<T>[] =>
  events.filter((event): event is Of<T> => event.type === type)

const ofSubject = <T extends { readonly data: { readonly subject: { readonly pseudonym: string } } }>(
  events: readonly T[],
  subject: string,
) => events.filter(({ data }) => data.subject.pseudonym === subject)

const leavings = (events: readonly AccessEvent[], subject: string) => ofSubject(ofType(events, 'chartwarden.staff.offboarded.v1'), subject)
const returns = (events: readonly AccessEvent[], subject: string) => ofSubject(ofType(events, 'chartwarden.staff.reinstated.v1'), subject)

const isAway = (events: readonly AccessEvent[], subject: string): boolean =>
  (leavings(events, subject).at(-1)?.revision ?? -1n) > (returns(events, subject).at(-1)?.revision ?? -1n)

/** Who holds what the event gives. */
const holderOf = (event: AccessEvent): string | undefined => {
  if (event.type === 'chartwarden.record.shared.v1') return event.data.recipient.pseudonym
  const gives = event.type === 'chartwarden.role.granted.v1' || event.type === 'chartwarden.careteam.joined.v1'
  return gives ? event.data.subject.pseudonym : undefined
}

/** Without what was given to people before they left, or while they were away. */
const stillCounting = (events: readonly AccessEvent[]): readonly AccessEvent[] =>
  events.filter((event, index) => {
    const holder = holderOf(event)
    return holder === undefined || (!isAway(events.slice(0, index), holder) && leavings(events.slice(index), holder).length === 0)
  })

const isWithin = ({ from, until }: { readonly from?: string; readonly until?: string }, now: number): boolean =>
  (from === undefined || Date.parse(from) <= now) && (until === undefined || now < Date.parse(until))

const mayActAtAll = (events: readonly AccessEvent[], { subject, session }: AccessRequest): boolean => {
  const me = subject.pseudonym
  if (ofSubject(ofType(events, 'chartwarden.staff.enrolled.v1'), me).length + returns(events, me).length === 0) return false
  if (isAway(events, me)) return false
  const signedIn = session?.issuedAt
  return leavings(events, me).every(({ time }) => signedIn !== undefined && signedIn > time)
}

const permissionsOf = (events: readonly AccessEvent[], role: string, seen: readonly string[] = []): readonly Permission[] => {
  const definition = ofType(events, 'chartwarden.role.defined.v2').findLast(({ data }) => data.role === role)
  const retired = ofType(events, 'chartwarden.role.retired.v1').findLast(({ data }) => data.role === role)
  if (definition === undefined || (retired?.revision ?? -1n) > definition.revision || seen.includes(role)) return []
  const { permissions, inherits } = definition.data
  return [...permissions, ...inherits.flatMap((above) => permissionsOf(events, above, [...seen, role]))]
}

const rolesHeld = (events: readonly AccessEvent[], me: string, now: number): readonly string[] => {
  const revoked = ofType(events, 'chartwarden.role.revoked.v1')
  const retired = ofType(events, 'chartwarden.role.retired.v1')
  return ofSubject(ofType(events, 'chartwarden.role.granted.v1'), me)
    .filter(({ data }) => isWithin(data, now))
    .filter(({ id, revision }) => !revoked.some((end) => end.revision > revision && end.data.grant_ids.includes(id)))
    .filter(({ data, revision }) => !retired.some((end) => end.revision > revision && end.data.role === data.role))
    .map(({ data }) => data.role)
}

const fits = (purposes: readonly string[], asked: string | undefined): boolean =>
  purposes.length === 0 || asked === undefined || coveredBy(purposes).has(asked)

const isOwnPatient = (events: readonly AccessEvent[], { subject, patient }: AccessRequest, now: number): boolean => {
  const latest = events
    .filter((event) => event.type === 'chartwarden.careteam.joined.v1' || event.type === 'chartwarden.careteam.left.v1')
    .findLast(({ data }) => data.subject.pseudonym === subject.pseudonym && data.patient === patient)
  return latest?.type === 'chartwarden.careteam.joined.v1' && isWithin(latest.data, now)
}

const isSharedWith = (events: readonly AccessEvent[], request: AccessRequest, now: number): boolean => {
  const me = request.subject.pseudonym
  const latest = events
    .filter((event) => event.type === 'chartwarden.staff.enrolled.v1' || event.type === 'chartwarden.staff.reinstated.v1')
    .findLast(({ data }) => data.subject.pseudonym === me)
  const reached = [me, ...(latest?.data.member_of ?? []).map(({ pseudonym }) => pseudonym)]
  const ended = ofType(events, 'chartwarden.share.ended.v1')
  return ofType(events, 'chartwarden.record.shared.v1')
    .filter(({ data }) => reached.includes(data.recipient.pseudonym) && isWithin(data, now))
    .filter(({ id, revision }) => !ended.some((end) => end.revision > revision && end.data.share_id === id))
    .filter(({ data }) => data.patient === request.patient && fits([data.purpose], request.purpose))
    .filter(({ data }) => data.resource_types.includes(request.resourceType) && data.actions.includes(request.action))
    .some(({ data }) => data.records === undefined || data.records.some((one) => one === request.record))
}

export const permitsByTheBook = (all: readonly AccessEvent[], request: AccessRequest, now: number): boolean => {
  if (!mayActAtAll(all, request)) return false
  const events = stillCounting(all)
  const speaking = rolesHeld(events, request.subject.pseudonym, now)
    .flatMap((role) => permissionsOf(events, role))
    .filter(({ resource_type: type }) => type === '*' || type === request.resourceType)
    .filter(({ actions }) => actions.includes('*') || actions.includes(request.action))
    .filter(({ purposes }) => fits(purposes, request.purpose))
  if (speaking.some(({ effect }) => effect === 'forbid')) return false
  return speaking.some(({ bounds }) =>
    bounds.every(({ kind }) => {
      if (kind === 'own_patients') return isOwnPatient(events, request, now)
      if (kind === 'shared') return isSharedWith(events, request, now)
      return request.supportedObligations === 'any' || request.supportedObligations.has(kind)
    }),
  )
}
