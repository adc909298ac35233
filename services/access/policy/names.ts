/** Patterns of the names that policy uses. They keep rules such as `role/<role>#<permission id>` readable and unambiguous. */
const roleName = /^[a-z0-9_]{1,64}$/
const resourceOrAction = /^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$/
const permissionId = /^[A-Za-z0-9*][A-Za-z0-9_.:/*+~-]{0,127}$/
const boundKind = /^[A-Za-z][A-Za-z0-9_]{0,63}$/

/** Lower-case letters, digits and underscores, 1 to 64 characters. */
export const isRoleName = (text: string): boolean => roleName.test(text)

/** 1 to 64 letters, digits and `_ . : / -`, the first a letter or digit: a resource type. */
export const isResourceType = (text: string): boolean => resourceOrAction.test(text)

/** As a resource type: an action. */
export const isAction = (text: string): boolean => resourceOrAction.test(text)

export const isPermissionId = (text: string): boolean => permissionId.test(text)

export const isBoundKind = (text: string): boolean => boundKind.test(text)

/** Controls, line and paragraph separators, and characters that change the reading order: what stands there is not what is read. */
const unseen = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u

/** Text of one line that people read and tables carry: well formed, no blanks at its ends, nothing that cannot be seen. */
export const isPlainText = (text: string): boolean => text.isWellFormed() && text.trim() === text && !unseen.test(text)

/** The same for an expression, which may have several lines. */
export const isPlainSource = (text: string): boolean => text.isWellFormed() && !unseen.test(text.replace(/[\t\n\r]/g, ' '))
