/** Licences that a production dependency may have; what is installed only for development is not distributed and not checked. */
const allowed: ReadonlySet<string> = new Set(['Apache-2.0', 'MIT', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', '0BSD'])

/** Whether an SPDX expression leaves us an allowed choice: every part of an AND, one part of an OR. */
export const isAllowedLicence = (expression: string): boolean => {
  const bare = expression.trim().replace(/^\((.*)\)$/, '$1')
  if (/[()]/.test(bare)) return false
  return bare.split(/\s+OR\s+/).some((choice) => choice.split(/\s+AND\s+/).every((licence) => allowed.has(licence.trim())))
}
