import { writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { codeRules, firstRule } from '../../../cli/import-events/code-rules.ts'
import { readMappingFile } from '../../../cli/import-events/mapping-file.ts'
import { fault } from '../../support/fault.ts'
import { mammographyMapping, realEvents } from '../../support/fhir-events.ts'

const directory = t.testdir()
const mapping = (name: string, text: string) => {
  const file = path.join(directory, name)
  writeFileSync(file, text)
  return readMappingFile(file)
}
const header = 'system,code,text,entity_type,resource_type,action\n'

t.test('the mapping of the mammography pathway knows every step of the real events, wrapped or not', async (t) => {
  const rules = await readMappingFile(mammographyMapping)
  t.equal(rules.length, 10)
  for (const event of realEvents()) {
    const matched = { codes: [], text: (event['code'] as { readonly text: string }).text, entityType: undefined }
    t.ok(firstRule(rules, 'resource_type', matched) !== undefined && firstRule(rules, 'action', matched) !== undefined)
  }
})

t.test('csv and yaml say the same', async (t) => {
  const csv = await mapping('a.csv', `\ufeff${header}urn:x,no,,Observation,lab_report,\n,,"Two\nlines",,imaging,read\n`)
  const yaml = await mapping(
    'a.yaml',
    'mappings:\n  - {system: "urn:x", code: no, entity_type: Observation, resource_type: lab_report}\n  - {text: "Two\\nlines", resource_type: imaging, action: read}\n',
  )
  t.same(csv, yaml)
  t.equal(csv[0]?.code, 'no', 'every value is text')
})

t.test(
  'a row is for what matches all that it names, the first that says something counts, and one may leave the rest to others',
  async (t) => {
    const own = await mapping('b.csv', `${header}urn:x,1,,,imaging,\nurn:x,,,,,read\n,,,Basic,message,update\n`)
    const { certain } = codeRules(own)
    const said = (system: string, code: string, entityType?: string) => {
      const matched = {
        codes: [
          { system: 'urn:y', code: '0', display: undefined },
          { system, code, display: undefined },
        ],
        text: undefined,
        entityType,
      }
      return [firstRule(certain, 'resource_type', matched)?.resource_type, firstRule(certain, 'action', matched)?.action]
    }
    t.same(said('urn:x', '1'), ['imaging', 'read'])
    t.same(said('urn:x', '2'), [undefined, 'read'])
    t.same(said('urn:y', '1'), [undefined, undefined], 'system and code are of one coding')
    t.same(said('urn:x', '2', 'Basic'), ['message', 'read'])
    t.same(said('urn:z', '9', 'Patient'), ['personal_details', undefined], 'the standards come after it')
  },
)

t.test('a mapping that is wrong is refused with every problem', async (t) => {
  for (const [name, text, problem] of [
    ['c.csv', 'system,code\n', /has a header and no rows|header must be/],
    ['c.csv', `${header},,,,imaging,read\n`, /matches every event/],
    ['c.csv', `${header}urn:x,1,,,,\n`, /says nothing/],
    ['c.csv', `${header}urn:x,1,,,none,read\n`, /stands in both/],
    ['c.csv', `${header}urn:x,1,,,${'x'.repeat(65)},read\n`, /at most 64/],
    ['c.csv', `${header}urn:x,1\n`, /2 columns where/],
    ['c.yaml', 'mappings: {}', /with a list/],
    ['c.yaml', '- code: 1', /one member "mappings"/],
    ['c.yaml', 'mappings: [{code: 1, colour: red}]', /no member "colour"/],
    ['c.yaml', 'mappings: [{code: [1]}]', /code must be text/],
    ['c.yaml', 'mappings: [x]', /must have members/],
    ['c.yaml', 'mappings: [{code: a, code: b}]', /unique/],
    ['c.yaml', 'mappings: &all [{code: a, action: read}]\nmore: *all', /aliases|one member/],
    ['c.yaml', 'mappings: [', /YAML/],
    ['c.yaml', 'mappings: [{__proto__: {code: x}, action: read}]', /no member "__proto__"|matches every event/],
  ] as const) {
    const thrown = await mapping(name, text).then(
      () => undefined,
      (error: unknown) => error as { readonly fields: readonly { readonly field: string; readonly description: string }[] },
    )
    t.match(thrown, fault('INVALID_ARGUMENT'), text)
    t.match(thrown?.fields.map(({ field, description }) => `${field} ${description}`).join('; '), problem, text)
  }
  await t.rejects(readMappingFile(path.join(directory, 'missing.csv')), fault('INVALID_ARGUMENT'))
})
