import { ChartwardenError } from '../../kernel/errors.ts'

/** Seconds after which one may have ended. */
const retryAfterSeconds = 10

/** Bounds what stays open for one clinic: `take` throws OVERLOADED when there is as much already, and returns what gives the place back, once. */
export const createClinicSlots = (most: number): { take(clinic: string): () => void } => {
  const open = new Map<string, number>()
  return {
    take: (clinic) => {
      const held = open.get(clinic) ?? 0
      if (held >= most) {
        throw new ChartwardenError('OVERLOADED', {
          message: `This clinic has ${most} of these calls open here, as many as it may; end one, or call again later.`,
          retryAfterSeconds,
        })
      }
      open.set(clinic, held + 1)
      return () => {
        const left = (open.get(clinic) ?? 1) - 1
        if (left === 0) open.delete(clinic)
        else open.set(clinic, left)
      }
    },
  }
}
