/** Policy cases: the files in ./policy say what a clinic is and what it must answer. To add a case, add it there. */
import t from 'tap'
import { openEmrImport } from '../support/policy-case-clinic.ts'
import { createAnswers, decideMatrix, differences, type Expected, policyFiles, problemsOf } from '../support/policy-cases.ts'

const files = policyFiles()

for (const file of files) {
  const { cases = [], matrices = [], findings = [] } = file
  t.test(`${file.file}: ${file.title}`, async (t) => {
    const answerTo = createAnswers(file)
    for (const one of cases) t.same(differences(answerTo(one), one.expect), [], one.name)
    for (const matrix of matrices) {
      const { cells, permits, differences: found } = decideMatrix(file, matrix)
      t.same(found, [], matrix.name)
      t.equal(cells, matrix.subjects.length * matrix.types.length * matrix.actions.length, `${matrix.name}: ${cells} cells`)
      if (matrix.count !== undefined) t.equal(permits, matrix.count, `${matrix.name}: ${matrix.count} permits`)
    }
    for (const { name, kind, roles } of findings) {
      const reported = openEmrImport().findings.some((one) => one.kind === kind && one.roles.join() === roles.join())
      t.ok(reported, name)
    }
  })
}

t.test('no two cases of a file have the same name', async (t) => {
  for (const { file, cases = [], matrices = [] } of files) {
    const names = [...cases, ...matrices].map(({ name }) => name)
    t.same(
      names.filter((name, index) => names.indexOf(name) !== index),
      [],
      file,
    )
  }
})

t.test('every expectation that is changed is reported', async (t) => {
  const changes: readonly [string, (expect: Expected) => Expected][] = [
    ['the decision', (expect) => ({ ...expect, decision: expect.decision === 'permit' ? 'deny' : 'permit' })],
    ['the reason', (expect) => ({ ...expect, reason: expect.reason === 'forbidden' ? 'no_grant' : 'forbidden' })],
    ['the rule', (expect) => ({ ...expect, rule: 'role/nobody#nothing' })],
    ['an obligation', (expect) => ({ ...expect, obligations: [...(expect.obligations ?? []), 'never'] })],
    ['the roles', (expect) => ({ ...expect, roles: ['nobody'] })],
    ['the patient', (expect) => ({ ...expect, patient: 'nobody' })],
    ['the moment it ends', (expect) => ({ ...expect, not_after: '00:00' })],
  ]
  for (const file of files) {
    const answerTo = createAnswers(file)
    const answered = (file.cases ?? []).map((one) => ({ ...one, answered: answerTo(one) }))
    for (const [what, change] of changes) {
      const unnoticed = answered.filter(({ answered: one, expect }) => differences(one, change(expect)).length === 0)
      t.same(
        unnoticed.map(({ name }) => name),
        [],
        `${file.file}: ${what}`,
      )
    }
    for (const matrix of file.matrices ?? []) {
      const [subject = ''] = matrix.subjects
      const less = { ...matrix, permits: { ...matrix.permits, [subject]: {} } }
      t.not(decideMatrix(file, less).differences.length, 0, `${matrix.name}: what one subject may`)
    }
  }
})

t.test('a file that is no file of cases is refused', async (t) => {
  const valid = `title: a clinic
clinic: { history: [{ happens: enrol, subjects: [ada] }] }
cases:
  - name: she may not
    ask: { subject: ada, action: read, resource: imaging }
    expect: { decision: deny, reason: no_grant }
`
  t.equal(problemsOf(valid), '')
  const spoilt: readonly [string, string, string][] = [
    ['a member that is misspelt', 'reason:', 'raeson:'],
    ['no expectation', 'expect:', 'expects:'],
    ['a decision there is not', 'decision: deny', 'decision: maybe'],
    ['something that cannot happen', 'happens: enrol', 'happens: enroll'],
    ['no subjects', 'subjects: [ada]', 'subjects: []'],
    ['no name', 'name: she may not', 'name: ""'],
    ['a time that is none', 'resource: imaging', 'resource: imaging, at: noon'],
    ['no title', 'title: a clinic\n', ''],
    ['no cases', 'cases:', 'case:'],
    ['no YAML', 'cases:', 'cases: ]'],
  ]
  for (const [what, from, to] of spoilt) {
    t.ok(valid.includes(from))
    t.not(problemsOf(valid.replace(from, to)), '', what)
  }
})
