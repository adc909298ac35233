/** What makes a proposed role refused. Every finding names its field as the contract does, so that a person can mend it. */
import { canonicalJson, type JsonValue } from '../../kernel/canonical-json.ts'
import type { FieldViolation } from '../../kernel/errors.ts'
import { type CostedPermission, tooCostlyByInheritance, tooCostlyTogether } from './condition-budget.ts'
import { compileCondition } from './conditions/compile.ts'
import { isConfidentiality, isSensitivity } from './labels.ts'
import { isAction, isBoundKind, isPermissionId, isPlainSource, isPlainText, isResourceType, isRoleName } from './names.ts'
import { isPurpose } from './purposes.ts'
import { type ClearanceDraft, definitionOf, type PermissionDraft, type RoleDraft } from './role-draft.ts'
import { closureOf, isCheckedBound, type RoleDefinition, type Roles, wildcard } from './roles.ts'

/** Limits of one role; all of it must fit one entry. */
const roleLimits = {
  titleCharacters: 200,
  inherits: 32,
  permissions: 1_000,
  actions: 64,
  bounds: 16,
  codes: 64,
  codeCharacters: 128,
  /** Of the codes of one permission, all its bounds together, as JSON: they come back with every permit as obligations, and an entry holds them. */
  codeBytes: 8 * 1024,
  conditionCharacters: 4_000,
  /** Of the canonical JSON; an entry holds 65,535 bytes with everything around the role. */
  bytes: 60_000,
} as const

type Report = (field: string, description: string) => void

const checkList = (report: Report, field: string, items: readonly string[], limit: number): void => {
  if (items.length > limit) report(field, `holds more than ${limit}`)
  if (new Set(items).size !== items.length) report(field, 'names the same twice')
}

const checkBounds = (report: Report, field: string, { bounds, effect }: PermissionDraft): void => {
  if (effect === 'limited' && bounds.length === 0) report(`${field}.bounds`, 'a limited permission needs at least one bound')
  if ((effect === 'permit' || effect === 'forbid') && bounds.length > 0) report(`${field}.bounds`, `a ${effect} permission has no bounds`)
  checkList(
    report,
    `${field}.bounds`,
    bounds.map(({ kind }) => kind),
    roleLimits.bounds,
  )
  bounds.forEach(({ kind, codes }, index) => {
    const at = `${field}.bounds[${index}]`
    if (!isBoundKind(kind)) report(`${at}.kind`, 'must be a letter and up to 63 letters, digits and underscores')
    if (isCheckedBound(kind) && codes.length > 0) report(`${at}.codes`, `"${kind}" takes no codes`)
    checkList(report, `${at}.codes`, codes, roleLimits.codes)
    if (codes.some((code) => code === '' || [...code].length > roleLimits.codeCharacters || !isPlainText(code))) {
      report(`${at}.codes`, `each has 1 to ${roleLimits.codeCharacters} characters, no blanks at its ends and none that cannot be seen`)
    }
  })
  const bytes = bounds.reduce((sum, { codes }) => sum + Buffer.byteLength(JSON.stringify(codes)), 0)
  if (bytes > roleLimits.codeBytes) report(`${field}.bounds`, `hold codes of more than ${roleLimits.codeBytes} bytes together`)
}

/** What the condition may cost; 0 for none, and for one that is refused. */
const checkCondition = (report: Report, field: string, { condition = '' }: PermissionDraft): number => {
  if (condition === '') return 0
  const at = `${field}.condition`
  if (condition.length > roleLimits.conditionCharacters) {
    report(at, `has more than ${roleLimits.conditionCharacters} characters`)
  } else if (!isPlainSource(condition)) {
    report(at, 'holds a character that cannot be seen; write it as an escape')
  } else {
    const compiled = compileCondition(condition)
    if (compiled.kind === 'condition') return compiled.condition.cost
    report(at, `line ${compiled.line}, column ${compiled.column}: ${compiled.message}`)
  }
  return 0
}

const checkClearance = (report: Report, { confidentiality, sensitivities }: ClearanceDraft): void => {
  if (confidentiality !== '' && !isConfidentiality(confidentiality)) {
    report('role.clearance.confidentiality', `${JSON.stringify(confidentiality)} is not U, L, M, N, R or V`)
  }
  const field = 'role.clearance.sensitivities'
  if (sensitivities.includes(wildcard) && sensitivities.length > 1) report(field, '"*" stands alone')
  for (const code of sensitivities.filter((candidate) => candidate !== wildcard && !isSensitivity(candidate))) {
    report(field, `${JSON.stringify(code)} is no sensitivity that policy knows`)
  }
  checkList(report, field, sensitivities, roleLimits.codes)
}

const checkPermission = (report: Report, field: string, permission: PermissionDraft): CostedPermission => {
  const { id, resource_type: type, actions, effect, purposes } = permission
  if (id !== undefined && id !== '' && !isPermissionId(id)) report(`${field}.id`, 'must be 1 to 128 letters, digits and _ . : / * + ~ -')
  if (type !== wildcard && !isResourceType(type)) report(`${field}.resource_type`, 'must be "*" or 1 to 64 letters, digits and _ . : / -')
  if (actions.length === 0) report(`${field}.actions`, 'names at least one action, or "*"')
  if (actions.includes(wildcard) && actions.length > 1) report(`${field}.actions`, '"*" stands alone')
  if (actions.some((action) => action !== wildcard && !isAction(action))) {
    report(`${field}.actions`, 'each must be 1 to 64 letters, digits and _ . : / -')
  }
  checkList(report, `${field}.actions`, actions, roleLimits.actions)
  if (effect !== 'permit' && effect !== 'limited' && effect !== 'forbid') report(`${field}.effect`, 'must be permit, limited or forbid')
  checkBounds(report, field, permission)
  for (const code of purposes.filter((purpose) => !isPurpose(purpose)))
    report(`${field}.purposes`, `${JSON.stringify(code)} is no PurposeOfUse code`)
  checkList(report, `${field}.purposes`, purposes, roleLimits.codes)
  return { resource_type: type, actions, cost: checkCondition(report, field, permission) }
}

const bytesOf = (draft: RoleDraft): number => {
  try {
    return Buffer.byteLength(canonicalJson(definitionOf(draft) as unknown as JsonValue))
  } catch {
    return 0
  }
}

/** Whether the role is well formed in itself, whatever other roles the clinic has. */
export const validateRole = (draft: RoleDraft): readonly FieldViolation[] => {
  const violations: FieldViolation[] = []
  const report: Report = (field, description) => violations.push({ field, description })
  if (!isRoleName(draft.role)) report('role.role', 'must be 1 to 64 lower-case letters, digits and underscores')
  if (draft.title === '' || [...draft.title].length > roleLimits.titleCharacters || !isPlainText(draft.title)) {
    report('role.title', `must have 1 to ${roleLimits.titleCharacters} characters, no blanks at its ends and none that cannot be seen`)
  }
  if (draft.inherits.some((name) => !isRoleName(name))) report('role.inherits', 'each must be the name of a role')
  checkList(report, 'role.inherits', draft.inherits, roleLimits.inherits)
  if (draft.clearance !== undefined) checkClearance(report, draft.clearance)
  if (draft.permissions.length > roleLimits.permissions) {
    report('role.permissions', `holds more than ${roleLimits.permissions}`)
    return violations
  }
  // Before they are compiled: what could not be stored is not worth the work.
  if (draft.permissions.reduce((sum, { condition = '' }) => sum + condition.length, 0) > roleLimits.bytes) {
    report('role', `is larger than ${roleLimits.bytes} bytes; split it`)
    return violations
  }
  const costed = draft.permissions.map((permission, index) => checkPermission(report, `role.permissions[${index}]`, permission))
  const costly = tooCostlyTogether(costed)
  if (costly !== undefined) report('role.permissions', costly)
  const ids = draft.permissions.flatMap(({ id }) => (id === undefined || id === '' ? [] : [id]))
  if (new Set(ids).size !== ids.length) report('role.permissions', 'two permissions have the same id')
  if (violations.length === 0 && bytesOf(draft) > roleLimits.bytes) report('role', `is larger than ${roleLimits.bytes} bytes; split it`)
  return violations
}

/** The conditions of a role with those it inherits, or of one that inherits it, that no decision could evaluate all of. */
const validateInheritedCost = (draft: RoleDraft, roles: Roles): readonly FieldViolation[] => {
  const isInherited = roles.definitions.values().some(({ inherits }) => inherits.includes(draft.role))
  if (draft.inherits.length === 0 && !isInherited) return []
  const costed = draft.permissions.map(({ resource_type, actions, condition = '' }): CostedPermission => {
    const compiled = condition === '' ? undefined : compileCondition(condition)
    return { resource_type, actions, cost: compiled?.kind === 'condition' ? compiled.condition.cost : 0 }
  })
  const costly = tooCostlyByInheritance(draft, costed, roles)
  if (costly === undefined) return []
  const { role, description } = costly
  return role === draft.role
    ? [{ field: 'role.inherits', description: `with what it inherits, ${description}` }]
    : [{ field: 'role.permissions', description: `in the role ${role}, which inherits this one, ${description}` }]
}

/**
 * What is wrong with a role among those in force: it would inherit one that is not, which gives nothing and is surely not what was meant, or
 * conditions add up by inheritance.
 */
export const validateInheritance = (draft: RoleDraft, roles: Roles): readonly FieldViolation[] => {
  const missing = draft.inherits.flatMap((name, index) =>
    name === draft.role || roles.definitions.has(name)
      ? []
      : [{ field: `role.inherits[${index}]`, description: 'no such role is in force' }],
  )
  return missing.length > 0 ? missing : validateInheritedCost(draft, roles)
}

/** Whether the role would inherit from itself, directly or not. */
export const inheritsItself = (draft: Pick<RoleDefinition, 'role' | 'inherits'>, roles: Roles): boolean =>
  draft.inherits.some((name) => name === draft.role || closureOf(roles.definitions, name).has(draft.role))
