import type { CallContext } from '../caller.ts'
import { ChartwardenError, invalidField } from '../errors.ts'

/**
 * Throws INVALID_ARGUMENT when no clinic is named and CLINIC_NOT_ALLOWED when the caller's token does not name it. Unary calls and server
 * streams have passed this already; each item of a bidirectional stream or batch that names a clinic needs it.
 */
export const requireClinic = (context: CallContext, clinic: string): void => {
  if (clinic === '') throw invalidField('clinic', 'name the clinic')
  if (context.caller.clinics.has(clinic)) return
  const error = new ChartwardenError('CLINIC_NOT_ALLOWED')
  context.refused?.(error, clinic)
  throw error
}
