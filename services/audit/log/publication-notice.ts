/** What is told by NOTIFY when checkpoints are published or a log is halted: the clinics, a line each, as many as one notification holds. */

export const publicationChannel = 'chartwarden_log'

/** PostgreSQL takes less than 8,000 bytes. */
const maxBytes = 7_900

/** Clinic names are ASCII. */
export const notices = (clinics: readonly string[]): readonly string[] => {
  const made: string[] = []
  let current = ''
  for (const clinic of clinics) {
    if (current.length + clinic.length + 1 > maxBytes) {
      made.push(current)
      current = ''
    }
    current += current === '' ? clinic : `\n${clinic}`
  }
  return current === '' ? made : [...made, current]
}

export const clinicsOf = (notice: string): readonly string[] => notice.split('\n')
