import { createParetoDraw, seededRandom } from '../measure/pareto.ts'

/** How large the clinics are that are asked about. */
export interface Practice {
  readonly clinics: number
  /** People in each clinic. */
  readonly people: number
  /** Patients of each clinic. */
  readonly patients: number
  /** Distinct questions over all clinics. */
  readonly questions: number
}

export interface Question {
  readonly clinic: string
  readonly person: string
  readonly patient: string
  readonly record: string
}

export const clinicName = (index: number): string => `clinic-${index}`
export const personName = (index: number): string => `dentist-${index}`

/** Clinics are asked for by a Pareto distribution, people and patients of a clinic evenly; each question is about a record of its own. */
export const drawQuestions = (practice: Practice, seed: number): Question[] => {
  const random = seededRandom(seed)
  const clinic = createParetoDraw(practice.clinics, random)
  return Array.from({ length: practice.questions }, (_, index) => ({
    clinic: clinicName(clinic()),
    person: personName(Math.floor(random() * practice.people)),
    patient: `patient-${Math.floor(random() * practice.patients)}`,
    record: `record-${index}`,
  }))
}

/** Batches of questions of one clinic each, all of one size, in the order in which they fill up; what fills none is left over. */
export const inBatches = (
  questions: readonly Question[],
  size: number,
): { readonly batches: readonly Question[][]; readonly rest: readonly Question[][] } => {
  const filling = new Map<string, Question[]>()
  const batches: Question[][] = []
  for (const question of questions) {
    const batch = filling.get(question.clinic) ?? []
    batch.push(question)
    if (batch.length === size) batches.push(batch)
    filling.set(question.clinic, batch.length === size ? [] : batch)
  }
  return { batches, rest: [...filling.values()].filter((batch) => batch.length > 0) }
}
