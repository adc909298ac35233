/** docs/reference/conditions.md */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { compileCondition } from '../../../../services/access/policy/conditions/compile.ts'
import { conditionLimits } from '../../../../services/access/policy/conditions/limits.ts'
import { globalFunctions, loops, methods, structures } from '../../../../services/access/policy/conditions/vocabulary.ts'

const page = readFileSync(path.resolve(import.meta.dirname, '../../../../docs/reference/conditions.md'), 'utf8')
const examples = [...page.matchAll(/^```cel( refused)?\n([\s\S]*?)\n```$/gm)]

t.test('every example of the page on conditions compiles, or is refused where the page says so', async (t) => {
  t.ok(examples.length > 15)
  t.equal(examples.length * 2, page.split('\n').filter((line) => line.startsWith('```')).length)
  for (const [, refused, source = ''] of examples) {
    t.equal(compileCondition(source).kind, refused === undefined ? 'condition' : 'invalid', source)
  }
})

t.test('the page names every field and function, and the limits as they are', async (t) => {
  for (const [root, { fields }] of Object.entries(structures)) {
    for (const field of Object.keys(fields)) t.ok(page.includes(`\`${root}.${field}\``), `${root}.${field}`)
  }
  for (const name of [...Object.keys(globalFunctions), ...Object.keys(methods), ...Object.keys(loops)]) {
    t.match(page, new RegExp(`[\`.]${name}\\b`), name)
  }
  const { nodes, depth, attributes, additions, nestedLoops } = conditionLimits
  t.ok(page.includes(`at most ${conditionLimits.sourceCharacters.toLocaleString('en-US')} characters`))
  t.ok(page.includes(`| ${nodes}, at most ${depth} within one another |`))
  t.ok(page.includes(`attributes that it names | ${attributes} |`))
  t.ok(page.includes(`additions and subtractions in it | ${additions} |`))
  t.ok(page.includes(`loops within one another | ${nestedLoops} |`))
  t.ok(page.includes(`${conditionLimits.cost.toLocaleString('en-US')} units`))
  t.ok(page.includes(`${conditionLimits.attributeWeight.toLocaleString('en-US')} characters, each value counting as two more`))
  t.ok(
    page.includes(
      `each list or object ${conditionLimits.attributeElements} elements; ${conditionLimits.attributeDepth} within one another`,
    ),
  )
  t.ok(page.includes(`| ${conditionLimits.decisionCost.toLocaleString('en-US')} units together |`))
})
