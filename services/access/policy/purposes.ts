/**
 * Purposes of use: the HL7 v3 codes below `PurposeOfUse` of http://terminology.hl7.org/CodeSystem/v3-ActReason in the edition published
 * with FHIR R4 (2018-08-12, CC0), 59 codes. Unknown codes are never accepted in policy.
 */

/** Purpose → the purpose above it; null for one at the top. */
const parents = {
  TREAT: null,
  CLINTRL: 'TREAT',
  COC: 'TREAT',
  ETREAT: 'TREAT',
  BTG: 'ETREAT',
  ERTREAT: 'ETREAT',
  POPHLTH: 'TREAT',
  HPAYMT: null,
  CLMATTCH: 'HPAYMT',
  COVAUTH: 'HPAYMT',
  COVERAGE: 'HPAYMT',
  ELIGDTRM: 'COVERAGE',
  ELIGVER: 'COVERAGE',
  ENROLLM: 'COVERAGE',
  MILDCRG: 'COVERAGE',
  REMITADV: 'COVERAGE',
  HOPERAT: null,
  CAREMGT: 'HOPERAT',
  DONAT: 'HOPERAT',
  FRAUD: 'HOPERAT',
  GOV: 'HOPERAT',
  HACCRED: 'HOPERAT',
  HCOMPL: 'HOPERAT',
  HDECD: 'HOPERAT',
  HDIRECT: 'HOPERAT',
  HDM: 'HOPERAT',
  HLEGAL: 'HOPERAT',
  HOUTCOMS: 'HOPERAT',
  HPRGRP: 'HOPERAT',
  HQUALIMP: 'HOPERAT',
  HSYSADMIN: 'HOPERAT',
  LABELING: 'HSYSADMIN',
  METAMGT: 'HSYSADMIN',
  MEMADMIN: 'HOPERAT',
  MILCDM: 'HOPERAT',
  PATADMIN: 'HOPERAT',
  PATSFTY: 'HOPERAT',
  PERFMSR: 'HOPERAT',
  RECORDMGT: 'HOPERAT',
  SYSDEV: 'HOPERAT',
  HTEST: 'SYSDEV',
  TRAIN: 'HOPERAT',
  PATRQT: null,
  FAMRQT: 'PATRQT',
  PWATRNY: 'PATRQT',
  SUPNWK: 'PATRQT',
  PUBHLTH: null,
  DISASTER: 'PUBHLTH',
  THREAT: 'PUBHLTH',
  HRESCH: null,
  BIORCH: 'HRESCH',
  CLINTRCH: 'HRESCH',
  CLINTRCHNPC: 'CLINTRCH',
  CLINTRCHPC: 'CLINTRCH',
  PRECLINTRCH: 'CLINTRCH',
  DSRCH: 'HRESCH',
  POARCH: 'HRESCH',
  TRANSRCH: 'HRESCH',
  HMARKT: null,
} as const satisfies Record<string, string | null>

export type Purpose = keyof typeof parents

/** Every purpose of the edition. */
export const purposes = Object.keys(parents) as readonly Purpose[]

/** Overriding a refusal in an emergency is never part of a wider purpose; it must be named itself. */
const breakTheGlass: Purpose = 'BTG'

export const isPurpose = (code: string): code is Purpose => Object.hasOwn(parents, code)

export interface Descent {
  /** Whether break-the-glass is below its parents like any other: so for what refuses, not for what permits. */
  readonly breakTheGlass: boolean
}

const permitting: Descent = { breakTheGlass: false }

/** Whether what is granted for one purpose holds for another: the same or one below it, and break-the-glass only when named. */
export const covers = (granted: string, asked: string, { breakTheGlass: descends } = permitting): boolean => {
  if (!isPurpose(granted) || !isPurpose(asked)) return false
  if (granted === asked) return true
  if (asked === breakTheGlass && !descends) return false
  for (let above: Purpose | null = parents[asked]; above !== null; above = parents[above]) {
    if (above === granted) return true
  }
  return false
}

/** Every purpose that any of those granted covers. */
export const coveredBy = (granted: readonly string[], descent: Descent = permitting): ReadonlySet<string> =>
  new Set(purposes.filter((asked) => granted.some((code) => covers(code, asked, descent))))

/** Purposes of care in an emergency: with one of them an open emergency access counts. */
export const emergencyPurposes: ReadonlySet<string> = new Set(['BTG', 'ETREAT', 'ERTREAT'] satisfies readonly Purpose[])
