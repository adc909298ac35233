import { parseDocument } from 'yaml'
import type { ImportProblem } from '../../services/access/policy/import/table.ts'
import { ChartwardenError } from '../../services/kernel/errors.ts'
import { readText } from '../input/read-text.ts'
import { count } from '../output/describe.ts'
import { type CodeRule, codeRuleMembers, ruleFault, rulesOfTable } from './code-rules.ts'
import { isRecord } from './json-parts.ts'

interface MappingProblem {
  readonly place: string
  readonly message: string
}

const members: ReadonlySet<string> = new Set(codeRuleMembers)

const ruleOf = (item: unknown, place: string, problems: MappingProblem[]): CodeRule | undefined => {
  const wrong = (message: string): undefined => void problems.push({ place, message })
  if (!isRecord(item)) return wrong(`must have members: ${codeRuleMembers.join(', ')}`)
  for (const [name, value] of Object.entries(item)) {
    if (!members.has(name)) return wrong(`has no member ${JSON.stringify(name)}; known are ${codeRuleMembers.join(', ')}`)
    if (typeof value !== 'string') return wrong(`${name} must be text`)
  }
  const rule = Object.fromEntries(codeRuleMembers.map((name) => [name, Object.hasOwn(item, name) ? item[name] : ''])) as CodeRule
  const message = ruleFault(rule)
  return message === undefined ? rule : wrong(message)
}

/** `mappings:` and a list. Every value is text; aliases and tags are refused, so that what stands there is all there is. */
const rulesOfYaml = (text: string, problems: MappingProblem[]): readonly CodeRule[] => {
  const document = parseDocument(text, { version: '1.2', schema: 'failsafe', strict: true, uniqueKeys: true, prettyErrors: true })
  for (const { message } of [...document.errors, ...document.warnings].slice(0, 10)) problems.push({ place: 'YAML', message })
  if (problems.length > 0) return []
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 0 })
  } catch {
    problems.push({ place: 'YAML', message: 'aliases are not taken; write it out' })
    return []
  }
  const list = isRecord(value) && Object.keys(value).join() === 'mappings' ? value['mappings'] : undefined
  if (!Array.isArray(list)) {
    problems.push({ place: 'YAML', message: 'the file must have the one member "mappings" with a list' })
    return []
  }
  return list.flatMap((item, index) => ruleOf(item, `mapping ${index + 1}`, problems) ?? [])
}

/** A clinic's own mapping: YAML by its name (`.yaml`, `.yml`), else CSV. Throws INVALID_ARGUMENT naming every problem. */
export const readMappingFile = async (file: string): Promise<readonly CodeRule[]> => {
  const text = await readText(file)
  const problems: MappingProblem[] = []
  const ofTable: ImportProblem[] = []
  const rules = /\.ya?ml$/i.test(file) ? rulesOfYaml(text.replace(/^\ufeff/, ''), problems) : rulesOfTable(text, ofTable)
  problems.push(...ofTable.map(({ line, message }) => ({ place: String(line), message })))
  if (problems.length === 0) return rules
  throw new ChartwardenError('INVALID_ARGUMENT', {
    message: `The mapping cannot be read, ${count(problems.length, 'problem')}; nothing was changed.`,
    fields: problems.map(({ place, message }) => ({ field: `${file}:${place}`, description: message })),
  })
}
