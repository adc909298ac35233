/**
 * Why a decision is what it is: stable codes, kept in entries for ever. Each sentence is for the person who was refused or the officer
 * who reads the entry. A code, once published, never changes its meaning.
 */
export const reasonCodes = {
  role_permits: 'A permission of a role in force allows it; the rule names it.',
  unknown_subject: 'Nobody of this identifier is known in this clinic.',
  suspended: 'This person is provisionally stopped.',
  offboarded: 'This person has left, or was barred; nothing is allowed any more.',
  session_required: 'This person has a cut-off, so the time of the sign-in must be stated, and it is not.',
  session_cut_off: 'The sign-in is from before the cut-off of this person; sign in again.',
  forbidden: 'A role in force forbids it, whatever other roles allow; the rule names the permission.',
  consent_denied: 'A consent directive of the patient refuses it; the rule names the directive.',
  consent_required: 'The clinic shares this only with the consent of the patient, and no directive gives it.',
  patient_mismatch: 'The directory knows the patient of this record, and the request names another one.',
  own_record: 'It is the own patient record of this person, and the clinic does not let staff open their own.',
  confidentiality: 'The record is labelled more confidential than any role in force is cleared for.',
  sensitivity: 'The record is labelled sensitive, and no role in force is cleared for it.',
  protected_person: 'The patient is an employee or a VIP; it takes a clearance or a place on the care team.',
  unknown_resource_type: 'No role of this clinic names this resource type; check the spelling.',
  unknown_action: 'No role of this clinic names this action; check the spelling.',
  no_grant: 'No role in force allows this action on this resource type.',
  purpose_not_allowed: 'A role in force allows it, but not for this purpose of use.',
  condition_not_met: 'A role in force allows it on a condition that does not hold; the rule names it.',
  condition_error: 'The condition of the permission could not be evaluated, so it gives nothing; the rule names it.',
  not_own_patient:
    'A role in force allows it for own patients only; this person is not on the care team of the patient, or no patient was named.',
  not_shared: 'A role in force allows it for what was shared only; no share in force covers this record, action and purpose.',
  obligation_unsupported: 'A role in force allows it under a duty that the calling software does not say it can carry out.',
  emergency_access: 'An open emergency access of this person for this patient allows it; a review is owed.',
  stale_request: 'This request was permitted before; the permit no longer holds. Ask again under a new request_id.',
} as const

export type ReasonCode = keyof typeof reasonCodes
