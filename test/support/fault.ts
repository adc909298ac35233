import type { ErrorReason } from '../../services/kernel/errors.ts'

/** Matches a catalogue error by its reason in `t.throws` and `t.rejects`, whose types know only plain errors. */
export const fault = (reason: ErrorReason): Error => ({ name: 'ChartwardenError', reason }) as unknown as Error
