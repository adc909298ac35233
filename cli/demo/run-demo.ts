import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt'
import { type OffboardResponse, StaffStatus } from '../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import type { Scope } from '../../services/kernel/scopes.ts'
import { listClinics } from '../clinics.ts'
import type { Connection } from '../connection.ts'
import { type Asked, askAtOnce, askOnStream } from './ask.ts'
import { afterExit, afterTheFact, day } from './day.ts'
import { demoClinic } from './demo-clinic.ts'
import { clinicAdmin, leaver } from './people.ts'
import type { Scene } from './question.ts'
import { demoRequestId } from './request-ids.ts'
import { registerDemoClinic, setUpSteps } from './set-up.ts'

const { clinic } = demoClinic

/** The demo calls as two kinds of software: the practice's own, and one that makes changes for a person who must be named. */
export const demoScopes = {
  software: ['clinic.register', 'staff.read', 'access.check', 'access.record'],
  forPersons: ['act', 'staff.write', 'staff.offboard', 'policy.write', 'relationship.write'],
} as const satisfies Record<string, readonly Scope[]>

/** `sub` of their tokens; part of what makes a second run a repeat of the first. */
export const demoCallers = { software: 'demo-practice-software', forPersons: 'demo-administration' } as const

export interface DemoOptions {
  /** A token of clinic `demo` with `demoScopes.software`. */
  readonly software: Connection
  /** A token of clinic `demo` with `demoScopes.forPersons`. */
  readonly forPersons: Connection
  /** Told how many steps there are, and then each time one is done. */
  readonly onTotal?: (steps: number) => void
  readonly onStep?: () => void
}

export interface DemoResult {
  /** The demo had run to its end before; nothing was added. */
  readonly ranBefore: boolean
  readonly asked: readonly Asked[]
  /** Accesses reported as performed, the one after the fact included. */
  readonly performed: number
  readonly offboarded: OffboardResponse | undefined
  readonly headRevision: bigint
}

/** The last change of the demo is the leaver's exit; a check repeated after it would be answered anew, so nothing before it is repeated. */
const leaverHasLeft = async ({ staff }: Connection): Promise<boolean> => {
  try {
    const { staff: person } = await staff.getStaff({ clinic, subject: leaver })
    return person?.status === StaffStatus.OFFBOARDED
  } catch (thrown) {
    if (thrown instanceof ChartwardenError && thrown.reason === 'SUBJECT_UNKNOWN') return false
    throw thrown
  }
}

/** The software reports which of the permitted records it opened. */
const reportPerformed = async ({ audit }: Connection, scene: Scene, asked: readonly Asked[]): Promise<number> => {
  const accesses = asked.flatMap(({ question, answer }, index) =>
    question.performed
      ? [
          {
            requestId: demoRequestId(`performed/${scene.name}/${index}`),
            subject: question.who,
            action: { name: question.action },
            resource: { type: question.type, id: question.id, patientId: question.patientId ?? '' },
            purpose: question.purpose,
            decisionEntryId: answer.entry?.id ?? '',
            source: 'demo',
          },
        ]
      : [],
  )
  if (accesses.length === 0) return 0
  const { results } = await audit.recordAccessBatch({ clinic, accesses })
  for (const { outcome } of results) {
    if (outcome.case !== 'response') throw new ChartwardenError('INTERNAL', { message: 'An access of the demo was not recorded.' })
  }
  return accesses.length
}

const recordAfterTheFact = ({ audit }: Connection, registeredMs: number): Promise<unknown> => {
  const { who, action, type, id, patientId, purpose, reason, hoursEarlier, source } = afterTheFact
  return audit.recordAccess({
    requestId: demoRequestId('after-the-fact'),
    clinic,
    subject: who,
    action: { name: action },
    resource: { type, id, patientId },
    purpose,
    reason,
    occurredAt: timestampFromMs(registeredMs - hoursEarlier * 3_600_000),
    source,
  })
}

const headRevision = async ({ clinics }: Connection): Promise<bigint> => {
  for await (const listed of listClinics(clinics)) if (listed.clinic === clinic) return listed.headRevision
  throw new ChartwardenError('CLINIC_NOT_ALLOWED')
}

/**
 * Registers the demo clinic and lives through one day of it. Every request id is derived, so a run that was broken off is taken up where
 * it stopped, and a second run adds no entry. Throws CLINIC_EXISTS when somebody else registered the clinic.
 */
export const runDemo = async ({ software, forPersons, onTotal, onStep }: DemoOptions): Promise<DemoResult> => {
  const { registered } = await registerDemoClinic(software.clinics)
  const asked: Asked[] = []
  let performed = 0
  let offboarded: OffboardResponse | undefined
  const ranBefore = await leaverHasLeft(software)

  const live = async (scene: Scene): Promise<void> => {
    const screen = scene.questions.every((question) => question.probe)
    const answers = await (screen ? askAtOnce : askOnStream)(software, scene)
    asked.push(...answers)
    performed += await reportPerformed(software, scene, answers)
  }
  const leave = async (): Promise<void> => {
    const reason = 'Fixed-term contract ended'
    const requestId = demoRequestId('offboard')
    offboarded = await forPersons.staff.offboard({ requestId, clinic, onBehalfOf: clinicAdmin, subject: leaver, reason })
  }
  const beforeExit = [
    ...setUpSteps(forPersons, registered),
    ...day.map((scene) => () => live(scene)),
    async () => {
      await recordAfterTheFact(software, timestampMs(registered))
      performed += 1
    },
    leave,
  ]
  // Denials are repeated as they were, so what follows the exit is safe in any case.
  const steps = [...(ranBefore ? [] : beforeExit), () => live(afterExit)]
  onTotal?.(steps.length)
  for (const step of steps) {
    await step()
    onStep?.()
  }
  return { ranBefore, asked, performed, offboarded, headRevision: await headRevision(software) }
}
