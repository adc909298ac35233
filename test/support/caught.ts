import { ChartwardenError } from '../../services/kernel/errors.ts'

/** The catalogue error that a call ended with. Throws when it ended well or with anything else. */
export const caught = async (call: Promise<unknown>): Promise<ChartwardenError> => {
  try {
    await call
  } catch (thrown) {
    if (thrown instanceof ChartwardenError) return thrown
    throw thrown
  }
  throw new Error('the call did not fail')
}
