/**
 * Roles in YAML 1.2: `roles:` and a list of them, under the names that events use. Every scalar is text, whatever it looks like, so that a
 * role called `no` is called so. Anchors, aliases and tags are refused: what stands there is all there is.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument } from 'yaml'
import type { Bound, Effect } from '../../events.ts'
import type { PermissionDraft, RoleDraft } from '../role-draft.ts'
import type { StatedRole } from './role-drafts.ts'
import type { ImportProblem } from './table.ts'

/** Whether a text is meant as YAML: its first line that says something is a key, an item or a brace, as no table's header is. */
export const isRoleYaml = (text: string): boolean => {
  const line = text
    .replace(/^\ufeff/, '')
    .split(/\r\n|\r|\n/)
    .find((candidate) => !/^\s*(?:#.*)?$/.test(candidate))
  return line !== undefined && /^(?:---|%|\s*[{[]|\s*- |["']?\w+["']?\s*:(?:\s|$))/.test(line)
}

type Node = ParsedNode | null | undefined
type Members = ReadonlyMap<string, Node>

const plainTags: ReadonlySet<string> = new Set(['tag:yaml.org,2002:str', 'tag:yaml.org,2002:seq', 'tag:yaml.org,2002:map'])

/** Reads nodes one by one and notes what is wrong with them under their lines. */
const createReader = (lines: LineCounter, problems: ImportProblem[]) => {
  const lineAt = (offset: number | undefined): number => lines.linePos(offset ?? 0).line
  const report = (node: Node, message: string): void => {
    problems.push({ file: 'roles', line: lineAt(node?.range?.[0]), message })
  }
  const isPlain = (node: Node, where: string): boolean => {
    if (isAlias(node)) report(node, `${where}: aliases are not taken; write it out`)
    else if (node?.anchor !== undefined) report(node, `${where}: anchors are not taken`)
    else if (node?.tag !== undefined && !plainTags.has(node.tag)) report(node, `${where}: tags are not taken`)
    else return true
    return false
  }
  const text = (node: Node, where: string): string => {
    if (node === undefined || !isPlain(node, where)) return ''
    if (isScalar(node) && typeof node.value === 'string') return node.value
    report(node, `${where} must be text`)
    return ''
  }
  const items = (node: Node, where: string): readonly Node[] => {
    if (node === undefined || !isPlain(node, where)) return []
    if (isSeq(node)) return node.items as readonly Node[]
    report(node, `${where} must be a list`)
    return []
  }
  const members = (node: Node, where: string, names: readonly string[]): Members => {
    const found = new Map<string, Node>()
    if (node === undefined || !isPlain(node, where)) return found
    if (!isMap(node)) {
      report(node, `${where} must have members: ${names.join(', ')}`)
      return found
    }
    for (const { key, value } of node.items as readonly { key: Node; value: Node }[]) {
      const name = text(key, where)
      if (names.includes(name)) found.set(name, value)
      else report(key, `${where} has no member ${JSON.stringify(name)}; known are ${names.join(', ')}`)
    }
    return found
  }
  const texts = (node: Node, where: string): readonly string[] => items(node, where).map((item) => text(item, where))
  return { lineAt, report, text, texts, items, members }
}

type Reader = ReturnType<typeof createReader>

const boundOf = (read: Reader, node: Node): Bound => {
  const members = read.members(node, 'a bound', ['kind', 'codes'])
  return { kind: read.text(members.get('kind'), 'kind'), codes: read.texts(members.get('codes'), 'codes') }
}

const permissionMembers = ['id', 'resource_type', 'actions', 'effect', 'bounds', 'purposes', 'condition'] as const

const permissionOf = (read: Reader, members: Members): PermissionDraft => ({
  id: read.text(members.get('id'), 'id'),
  resource_type: read.text(members.get('resource_type'), 'resource_type'),
  actions: read.texts(members.get('actions'), 'actions'),
  ...(members.has('effect') ? { effect: read.text(members.get('effect'), 'effect') as Effect } : {}),
  bounds: read.items(members.get('bounds'), 'bounds').map((bound) => boundOf(read, bound)),
  purposes: read.texts(members.get('purposes'), 'purposes'),
  condition: read.text(members.get('condition'), 'condition'),
})

const roleOf = (read: Reader, node: Node): StatedRole => {
  const members = read.members(node, 'a role', ['role', 'title', 'inherits', 'clearance', 'permissions'])
  const listed = read.items(members.get('permissions'), 'permissions').map((permission) => ({
    node: permission,
    members: read.members(permission, 'a permission', permissionMembers),
  }))
  const clearance = members.has('clearance')
    ? read.members(members.get('clearance'), 'clearance', ['confidentiality', 'sensitivities'])
    : undefined
  const draft: RoleDraft = {
    role: read.text(members.get('role'), 'role'),
    title: read.text(members.get('title'), 'title'),
    inherits: read.texts(members.get('inherits'), 'inherits'),
    permissions: listed.map((permission) => permissionOf(read, permission.members)),
    ...(clearance === undefined
      ? {}
      : {
          clearance: {
            confidentiality: read.text(clearance.get('confidentiality'), 'confidentiality'),
            sensitivities: read.texts(clearance.get('sensitivities'), 'sensitivities'),
          },
        }),
  }
  const lineOf = (field: string): number => {
    const [, index, member = ''] = /^role\.permissions\[(\d+)\](?:\.(\w+))?/.exec(field) ?? []
    const permission = index === undefined ? undefined : listed[Number(index)]
    const found = permission === undefined ? members.get(/^role\.(\w+)/.exec(field)?.[1] ?? '') : permission.members.get(member)
    return read.lineAt((found ?? permission?.node ?? node)?.range?.[0])
  }
  return { draft, lineOf }
}

const mostErrors = 10

/** Lists inside lists by the thousand exhaust the parser's stack, which it throws or notes. */
const tooDeep: ImportProblem = { file: 'roles', line: 1, message: 'this YAML is nested too deeply' }

/** The roles of a YAML text, in its order. */
export const rolesOfYaml = (text: string, problems: ImportProblem[]): readonly StatedRole[] => {
  const lines = new LineCounter()
  const read = createReader(lines, problems)
  let document: ReturnType<typeof parseDocument>
  try {
    document = parseDocument(text.replace(/^\ufeff/, ''), {
      version: '1.2',
      schema: 'failsafe',
      lineCounter: lines,
      prettyErrors: false,
      strict: true,
      uniqueKeys: true,
    })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    problems.push(tooDeep)
    return []
  }
  if (document.errors.some(({ message }) => message.includes('call stack'))) problems.push(tooDeep)
  // One slip can make an error of every character after it.
  const faults = problems.length > 0 ? [] : [...document.errors, ...document.warnings].slice(0, mostErrors)
  for (const { code, message, pos } of faults) {
    const what = code === 'MULTIPLE_DOCS' ? 'a second document begins' : message
    problems.push({ file: 'roles', line: read.lineAt(pos[0]), message: `this is not YAML as it is taken here: ${what}` })
  }
  if (problems.length > 0) return []
  const roles = read.members(document.contents as Node, 'the file', ['roles']).get('roles')
  const stated = read.items(roles, 'roles').map((role) => roleOf(read, role))
  if (problems.length === 0 && stated.length === 0) problems.push({ file: 'roles', line: 1, message: 'the file has no roles' })
  return stated
}
