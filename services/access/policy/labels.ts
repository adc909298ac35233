/**
 * Labels of records: confidentiality is ordered, sensitivities are a set beside it and never instead of it. Codes of HL7 v3-Confidentiality
 * and v3-ActCode (the edition published with FHIR R4, CC0). Unknown sensitivities are accepted on records, never in policy.
 */
import type { Confidentiality } from '../events.ts'

/** From least to most confidential; N where nothing is said. */
const confidentialities: readonly Confidentiality[] = ['U', 'L', 'M', 'N', 'R', 'V']

export const isConfidentiality = (code: string): code is Confidentiality => (confidentialities as readonly string[]).includes(code)

const rank: Readonly<Record<Confidentiality, number>> = { U: 0, L: 1, M: 2, N: 3, R: 4, V: 5 }

/** Whether a clearance for one level reaches another. */
export const reaches = (cleared: Confidentiality, labelled: Confidentiality): boolean => rank[cleared] >= rank[labelled]

export const moreConfidential = (left: Confidentiality, right: Confidentiality): Confidentiality =>
  rank[left] >= rank[right] ? left : right

/** Sensitivity → the one above it; null at the top. */
const parents = {
  ETH: null,
  GDIS: null,
  HIV: null,
  MST: null,
  SCA: null,
  SDV: null,
  SEX: null,
  SPI: null,
  BH: 'SPI',
  COGN: 'BH',
  DVD: 'BH',
  EMOTDIS: 'BH',
  MH: 'BH',
  PSY: 'BH',
  PSYTHPN: 'BH',
  SUD: 'BH',
  ETHUD: 'SUD',
  OPIOIDUD: 'SUD',
  STD: null,
  TBOO: null,
  VIO: null,
  SICKLE: null,
  ADOL: null,
  DEMO: null,
  DOB: null,
  GENDER: null,
  LIVARG: null,
  MARST: null,
  PDS: null,
  PHY: null,
  PRS: null,
  RACE: null,
  REL: null,
  PREGNANT: null,
  EMP: null,
  VIP: null,
  CEL: 'VIP',
} as const satisfies Record<string, string | null>

type Sensitivity = keyof typeof parents

/** Every sensitivity that policy may name. */
export const sensitivities: ReadonlySet<string> = new Set(Object.keys(parents))

/** Patients whose records colleagues and the curious look for: satisfied by a clearance or by a place on the care team. */
export const protectedPersons: ReadonlySet<string> = new Set(['EMP', 'VIP', 'CEL'])

/** Sensitivities of one record. */
export const maxLabels = 32

/** Whether a text can be a sensitivity at all, known or not. */
export const isLabelCode = (text: string): boolean => /^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$/.test(text)

/** Whether policy may name it. */
export const isSensitivity = (code: string): code is Sensitivity => Object.hasOwn(parents, code)

/** Whether a clearance for some sensitivities reaches a label: the same, one above it, or all. */
export const clears = (cleared: readonly string[], label: string): boolean => {
  if (cleared.includes('*') || cleared.includes(label)) return true
  if (!isSensitivity(label)) return false
  for (let above: Sensitivity | null = parents[label]; above !== null; above = parents[above]) {
    if (cleared.includes(above)) return true
  }
  return false
}
