import { type Timestamp, timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt'
import { builtinRoles } from '../../services/access/policy/builtin/builtin-roles.ts'
import { roleMessage } from '../../services/access/policy/role-message.ts'
import type { JsonValue } from '../../services/kernel/canonical-json.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import type { Connection } from '../connection.ts'
import type { TypedId } from '../input/parsers.ts'
import { demoClinic } from './demo-clinic.ts'
import { careTeams, clinicAdmin, enrolments, labShare, owner, ownersRoles, receptionist } from './people.ts'
import { demoContentRequestId, demoRequestId } from './request-ids.ts'

const { clinic } = demoClinic
const name = ({ type, id }: TypedId): string => `${type}:${id}`

/** Registers the clinic, or finds it registered by an earlier run. The answer's time is the origin of every other time of the demo. */
export const registerDemoClinic = async (
  clinics: Connection['clinics'],
): Promise<{ readonly registered: Timestamp; readonly replayed: boolean }> => {
  try {
    const answer = await clinics.registerClinic({ ...demoClinic, requestId: demoRequestId('register'), administrator: owner })
    if (answer.entry?.time === undefined) throw new ChartwardenError('INTERNAL')
    return { registered: answer.entry.time, replayed: answer.replayed }
  } catch (thrown) {
    if (!(thrown instanceof ChartwardenError) || !['CLINIC_EXISTS', 'REQUEST_MISMATCH'].includes(thrown.reason)) throw thrown
    const message = `There is a clinic "${clinic}" that this demo did not make; it is left alone.`
    throw new ChartwardenError('CLINIC_EXISTS', { message, cause: thrown })
  }
}

/** One administrative call of the set-up; each is safe to repeat. */
export type Step = () => Promise<unknown>

const roleSteps = ({ policy }: Connection): Step[] =>
  builtinRoles().map(
    (role) => () =>
      policy.putRole({
        requestId: demoContentRequestId(`role/${role.role}`, role as unknown as JsonValue),
        clinic,
        onBehalfOf: owner,
        role: roleMessage(role),
        reason: 'Built-in role',
      }),
  )

const grantStep =
  ({ staff }: Connection, onBehalfOf: TypedId, subject: TypedId, role: string, reason: string): Step =>
  () =>
    staff.grantRole({ requestId: demoRequestId(`grant/${name(subject)}/${role}`), clinic, onBehalfOf, subject, role, reason })

const peopleSteps = (connection: Connection): Step[] => [
  ...enrolments.flatMap(({ person, roles, reason, memberOf, ownPatientId }, index) => {
    const onBehalfOf = index === 0 ? owner : clinicAdmin
    const enrol: Step = () =>
      connection.staff.enrolStaff({
        requestId: demoRequestId(`enrol/${name(person)}`),
        clinic,
        onBehalfOf,
        subject: person,
        memberOf: memberOf === undefined ? [] : [memberOf],
        ownPatientId: ownPatientId ?? '',
      })
    return [enrol, ...roles.map((role) => grantStep(connection, onBehalfOf, person, role, reason))]
  }),
  ...ownersRoles.map(({ role, reason }) => grantStep(connection, clinicAdmin, owner, role, reason)),
]

const careTeamSteps = ({ relationships }: Connection): Step[] =>
  careTeams.flatMap(({ member, patients }) =>
    patients.map(
      (patientId) => () =>
        relationships.putCareTeam({
          requestId: demoRequestId(`care-team/${patientId}/${name(member)}`),
          clinic,
          onBehalfOf: receptionist,
          patientId,
          subject: member,
        }),
    ),
  )

const shareStep =
  ({ relationships }: Connection, registered: Timestamp): Step =>
  () =>
    relationships.shareRecord({
      requestId: demoRequestId(`share/${labShare.patientId}/${name(labShare.recipient)}`),
      clinic,
      onBehalfOf: labShare.sharedBy,
      recipient: labShare.recipient,
      patientId: labShare.patientId,
      resourceTypes: [...labShare.resourceTypes],
      actions: [...labShare.actions],
      purpose: labShare.purpose,
      until: timestampFromMs(timestampMs(registered) + labShare.days * 86_400_000),
      supportedObligations: ['recipient'],
    })

/** Everything before the day begins, in order. `connection` needs scope `act`: each step names the person who takes it. */
export const setUpSteps = (connection: Connection, registered: Timestamp): Step[] => [
  ...roleSteps(connection),
  ...peopleSteps(connection),
  ...careTeamSteps(connection),
  shareStep(connection, registered),
]
