import { captureState } from '../../services/access/snapshot/capture.ts'
import { type RestoredState, restoreState } from '../../services/access/snapshot/restore.ts'
import { serialiseState } from '../../services/access/snapshot/serialise.ts'
import type { ClinicState } from '../../services/access/state.ts'

/** A state as a snapshot holds it. */
export const snapshotText = (state: ClinicState, anchor = 'anchor'): string => [...serialiseState(captureState(state), anchor)].join('')

/** Restores a snapshot's text in one go. */
export const restoreAll = (text: string): RestoredState => {
  const steps = restoreState(text)
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value
}
