/**
 * What has ended by itself and is to be said so. Decisions compare `until` with the clock and need none of this: an expiry entry changes no
 * answer, it only lets reports and streams see the end, and lets the state forget.
 */
import type { PlannedEvent } from '../administer/commands.ts'
import { timeText } from '../administer/times.ts'
import type { Emergencies, EmergencyState } from '../state/emergencies.ts'
import type { ClinicState } from '../state.ts'

/** Something whose end lies behind, and the event that says so. */
export interface Ended {
  /** What ended; with the operation `expire` it makes the entry's id, so that replicas write one entry. */
  readonly key: string
  readonly event: PlannedEvent
}

interface Ending {
  readonly until: number
  ended(): Ended
}

/** A review may come before the entry that says that it is over. */
function* unclosed({ openBySubject, reviewed }: Emergencies): Generator<EmergencyState> {
  for (const ofSubject of openBySubject.values()) yield* ofSubject
  yield* reviewed.values()
}

/** Everything that no entry has ended and that ends by itself, in the order of the fold. */
function* endings(state: ClinicState): Generator<Ending> {
  for (const { id, subject, role, until } of state.grants.byId.values()) {
    if (until === undefined) continue
    const data = () => ({ subject, role, grant_id: id, until: timeText(until) })
    yield { until, ended: () => ({ key: id, event: { type: 'chartwarden.role.expired.v1', data: data() } }) }
  }
  for (const ofSubject of state.careTeams.values()) {
    for (const { patient, subject, until } of ofSubject.values()) {
      if (until === undefined) continue
      const ended = (): Ended => {
        const reference = state.subjects.get(subject)?.reference ?? { type: '', pseudonym: subject }
        const data = { patient, subject: reference, until: timeText(until) }
        // A place has no id of its own; somebody has one place on one team, and it ends at one moment.
        return { key: `careteam/${subject}/${patient}/${data.until}`, event: { type: 'chartwarden.careteam.expired.v1', data } }
      }
      yield { until, ended }
    }
  }
  for (const { id, recipient, patient, until } of state.shares.byId.values()) {
    const data = () => ({ share_id: id, recipient, patient, until: timeText(until) })
    yield { until, ended: () => ({ key: id, event: { type: 'chartwarden.share.expired.v1', data: data() } }) }
  }
  for (const { id, patient, until } of state.consents.byId.values()) {
    if (until === undefined) continue
    const data = () => ({ consent_id: id, patient, until: timeText(until) })
    yield { until, ended: () => ({ key: id, event: { type: 'chartwarden.consent.expired.v1', data: data() } }) }
  }
  for (const { id, subject, patient, until } of unclosed(state.emergencies)) {
    const data = { actor: { rule: 'expiry' }, emergency_id: id, subject, patient, cause: 'expired' } as const
    yield { until, ended: () => ({ key: id, event: { type: 'chartwarden.emergency.closed.v1', data } }) }
  }
}

const earliest = (things: Iterable<{ readonly until: number | undefined }>): number => {
  let found = Number.POSITIVE_INFINITY
  for (const { until } of things) if (until !== undefined && until < found) found = until
  return found
}

/**
 * When the next thing ends by itself, milliseconds since the epoch; Infinity when nothing does. Looks at everything once, without making
 * anything: a lab's clinic holds tens of thousands of shares.
 */
export const nextEnd = ({ grants, careTeams, shares, consents, emergencies }: ClinicState): number => {
  let next = Math.min(earliest(grants.byId.values()), earliest(shares.byId.values()), earliest(consents.byId.values()))
  for (const ofSubject of careTeams.values()) next = Math.min(next, earliest(ofSubject.values()))
  return Math.min(next, earliest(unclosed(emergencies)))
}

/** At most `limit` things that had ended by a moment. */
export const endedBy = (state: ClinicState, moment: number, limit: number): readonly Ended[] => {
  const found: Ended[] = []
  for (const { until, ended } of endings(state)) {
    if (found.length === limit) break
    if (until <= moment) found.push(ended())
  }
  return found
}
