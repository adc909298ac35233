/** What a clinic's log is called: the first line of its checkpoints and the name of its keys. */
import { isClinicId } from '../../kernel/clinic-id.ts'

/**
 * `<base>/v1/clinics/<clinic>/log`; every later generation, begun after an operator has retired the one before, has its number behind it.
 * `base` is a schema-less URL without a slash at its end.
 */
export const logOrigin = (base: string, clinic: string, generation: number): string =>
  `${base}/v1/clinics/${clinic}/log${generation === 1 ? '' : `/${generation}`}`

/** Whose log an origin names, and which of them; undefined for one that is not of this base. */
export const parseLogOrigin = (base: string, origin: string): { readonly clinic: string; readonly generation: number } | undefined => {
  const prefix = `${base}/v1/clinics/`
  if (!origin.startsWith(prefix)) return undefined
  const [, clinic = '', number] = /^([^/]+)\/log(?:\/([1-9]\d{0,8}))?$/.exec(origin.slice(prefix.length)) ?? []
  const generation = number === undefined ? 1 : Number(number)
  if (!(isClinicId(clinic) || clinic.startsWith('_')) || (number !== undefined && generation === 1)) return undefined
  return { clinic, generation }
}
