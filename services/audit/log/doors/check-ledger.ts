import type { MessageInitShape } from '@bufbuild/protobuf'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import type { CheckLedgerRequest, CheckLedgerResponseSchema } from '../../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import type { CallContext } from '../../../kernel/caller.ts'
import { isClinicId } from '../../../kernel/clinic-id.ts'
import { invalidField } from '../../../kernel/errors.ts'
import type { Randomness } from '../../../kernel/ids.ts'
import { entryRefOf } from '../../entry-ref.ts'
import type { CheckResult, LedgerCheck } from '../ledger-check.ts'
import type { LogHandlers } from './log-handlers.ts'

export interface CheckLedgerOptions {
  readonly check: LedgerCheck['check']
  readonly randomness: Randomness
}

const timeOf = (text: string | undefined) => {
  const millis = Date.parse(text ?? '')
  return Number.isNaN(millis) ? {} : { time: timestampFromMs(millis) }
}

const resultMessage = ({ size, root, checkpoint, faults, moreFaults, compared, entry }: CheckResult) => ({
  size,
  rootHash: root,
  checkpoint: checkpoint?.note ?? '',
  faults: faults.map(({ kind, revision, lastRevision, time, detail }) => ({ kind, revision, lastRevision, ...timeOf(time), detail })),
  moreFaults,
  ...compared,
  ...(entry === undefined ? {} : { entry: entryRefOf(entry) }),
})

/** Handler of CheckLedger: says how far it is, and at last what came out. */
export const checkLedgerHandler = ({ check, randomness }: CheckLedgerOptions): LogHandlers['checkLedger'] =>
  async function* (request: CheckLedgerRequest, context: CallContext): AsyncGenerator<MessageInitShape<typeof CheckLedgerResponseSchema>> {
    const { clinic, state, projections } = request
    if (!isClinicId(clinic)) throw invalidField('clinic', 'is not a clinic identifier')
    const { caller, correlationId, traceparent, deadline, signal, draining } = context
    const running = check({
      clinic,
      wishes: { state, projections },
      cause: 'asked',
      requestId: randomness.uuid(),
      provenance: { caller: caller.id, correlationId, ...(traceparent === undefined ? {} : { traceparent }) },
      deadline,
      signal: draining === undefined ? signal : AbortSignal.any([signal, draining]),
    })
    for (;;) {
      const step = await running.next()
      if (step.done === true) {
        yield { item: { case: 'result', value: resultMessage(step.value) } }
        return
      }
      yield { item: { case: 'progress', value: step.value } }
    }
  }
