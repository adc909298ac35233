/** The commands about directory and consent: what is typed, what is printed, what it ends with. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { exitCodes } from '../../cli/exit-codes.ts'
import { northOverCli } from '../support/north-over-cli.ts'

const { service, chartwarden } = await northOverCli(t)
const json = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>

t.test('a subject is described, shown and forgotten', async (t) => {
  const put = ['directory', 'subject', 'put', 'staff:anna', '--clinic', 'north', '--request-id', randomUUID()]
  const properties = ['--property', 'shift=night', '--property', 'level=3', '--property', 'locum=false', '--property', 'wards=["a","b"]']
  const first = await chartwarden(...put, ...properties, '--property', 'room="12"')
  t.equal(first.code, 0, first.err)
  t.match(first.out, /^staff:anna is described\.\n {2}entry /)
  t.match((await chartwarden(...put, ...properties, '--property', 'room="12"')).out, /\(a repeat\)/)
  const shown = await chartwarden('directory', 'subject', 'show', 'staff:anna', '--clinic', 'north')
  t.match(
    shown.out,
    /^staff:anna, as of revision \d+\n {2}level = 3\n {2}locum = false\n {2}room = 12\n {2}shift = night\n {2}wards = \["a","b"\]\n$/,
  )
  t.match(json((await chartwarden('--json', 'directory', 'subject', 'show', 'staff:anna', '--clinic', 'north')).out), {
    subject: { type: 'staff', id: 'anna', properties: { room: '12', level: 3, wards: ['a', 'b'] } },
  })
  const refused = await chartwarden('directory', 'subject', 'show', 'staff:anna', '--clinic', 'north', '--on-behalf-of', 'staff:anna')
  t.equal(refused.code, exitCodes.notAllowed.code, 'decided for the person named')
  t.match((await chartwarden('directory', 'subject', 'remove', 'staff:anna', '--clinic', 'north')).out, /described no longer/)
  const gone = await chartwarden('directory', 'subject', 'show', 'staff:anna', '--clinic', 'north')
  t.match(gone, { code: exitCodes.conflict.code, err: /says nothing of this subject/ })
})

t.test('what is no property is refused before anything is sent', async (t) => {
  const put = (property: readonly string[]) =>
    chartwarden('directory', 'subject', 'put', 'staff:anna', '--clinic', 'north', ...property.flatMap((text) => ['--property', text]))
  for (const wrong of [['shift'], ['=night'], ['wards=[1,2]'], ['wards=["a"'], ['a=1', 'a=2']]) {
    t.equal((await put(wrong)).code, exitCodes.usage.code, wrong.join(' '))
  }
  t.match(await put(['nine lives=9']), { err: /letters, digits and _/ }, 'the service says what only it knows')
})

t.test('a record is labelled, shown and forgotten', async (t) => {
  const named = ['imaging:i-1', '--clinic', 'north']
  const put = await chartwarden(
    'directory',
    'resource',
    'put',
    ...named,
    '--patient',
    'p-1',
    '--confidentiality',
    'R',
    '--sensitivities',
    'HIV,PSY',
    '--property',
    'status=released',
  )
  t.match(put.out, /^imaging:i-1 is described\.\n/)
  const shown = await chartwarden('directory', 'resource', 'show', ...named)
  t.match(shown.out, /about patient p-1\n {2}confidentiality R, sensitivities HIV, PSY\n {2}status = released\n$/)
  t.not((await chartwarden('directory', 'resource', 'put', ...named, '--confidentiality', 'top')).code, 0)
  t.match((await chartwarden('directory', 'resource', 'remove', ...named, '--reason', 'a mistake')).out, /described no longer/)
  t.not((await chartwarden('directory', 'resource', 'show', ...named)).code, 0)
  const patient = await chartwarden('--json', 'directory', 'resource', 'put', 'patient:p-1', '--clinic', 'north', '--sensitivities', 'VIP')
  t.match(json(patient.out), { replayed: false })
})

t.test('what is not given stays as it was said, and what changed is printed', async (t) => {
  const named = ['imaging:i-2', '--clinic', 'north']
  const put = (...more: readonly string[]) => chartwarden('directory', 'resource', 'put', ...named, ...more)
  const first = [
    '--patient',
    'p-1',
    '--confidentiality',
    'R',
    '--sensitivities',
    'HIV',
    '--property',
    'status=draft',
    '--property',
    'year=2026',
  ]
  t.match(
    (await put(...first)).out,
    /entry [^\n]+\n {2}patient: none -> p-1\n {2}confidentiality: N -> R\n {2}sensitivities: none -> HIV\n/,
  )
  const changed = await put('--property', 'status=released', '--remove-property', 'year')
  t.match(changed.out, /entry [^\n]+\n {2}properties\.status: draft -> released\n {2}properties\.year: 2026 -> none\n$/)
  const shown = async () => (await chartwarden('directory', 'resource', 'show', ...named)).out
  t.match(await shown(), /about patient p-1\n {2}confidentiality R, sensitivities HIV\n {2}status = released\n$/)
  t.match((await put()).out, /it says the same as before/)
  const less = json((await put('--no-patient', '--no-sensitivities', '--json')).out)
  t.same(less['changes'], [
    { member: 'patient', from: 'p-1', to: null },
    { member: 'sensitivities', from: ['HIV'], to: [] },
  ])
  t.match(await shown(), /revision \d+\n {2}confidentiality R, sensitivities none\n {2}status = released\n$/)
  t.match(await put('--property', 'a=1', '--remove-property', 'a'), { code: 2, err: /both name a/ })
  t.match(await put('--remove-property', 'stauts'), { code: 0, err: 'Note: No property stauts was said of it.\n' })
  t.match((await put('--replace', '--property', 'year=2027')).out, /confidentiality: R -> N\n {2}properties\.status: released -> none\n/)
  t.match(await shown(), /revision \d+\n {2}confidentiality N, sensitivities none\n {2}year = 2027\n$/)
})

t.test('a subject keeps the properties that are not given, too', async (t) => {
  const put = (...more: readonly string[]) => chartwarden('directory', 'subject', 'put', 'staff:anna', '--clinic', 'north', ...more)
  await put('--property', 'shift=night', '--property', 'level=3')
  t.match((await put('--property', 'level=4')).out, /entry [^\n]+\n {2}properties\.level: 3 -> 4\n$/)
  const shown = async () => (await chartwarden('directory', 'subject', 'show', 'staff:anna', '--clinic', 'north')).out
  t.match(await shown(), / {2}level = 4\n {2}shift = night\n$/)
  t.match((await put('--replace', '--property', 'level=5')).out, /properties\.shift: night -> none/)
  t.match(await shown(), /revision \d+\n {2}level = 5\n$/)
})

t.test('who may not read what was said can only replace it', async (t) => {
  const token = await service.token({ clinics: ['north'], scopes: ['directory.write'] })
  const put = (...more: readonly string[]) =>
    chartwarden('directory', 'resource', 'put', 'imaging:i-3', '--clinic', 'north', '--token', token, '--property', 'a=1', ...more)
  t.match(await put(), { code: exitCodes.notAllowed.code, err: /read first.*--replace/ })
  t.match(await put('--replace'), { code: 0, out: /was not read and is dropped/ })
})

t.test('a question states properties and context', async (t) => {
  const ask = (...more: readonly string[]) =>
    chartwarden(
      ...'check --clinic north --subject staff:anna --action read --resource treatment_record:r --patient p-9 --purpose TREAT'.split(' '),
      ...more,
    )
  t.equal((await ask()).code, 0)
  const labelled = await ask('--property', 'confidentiality=V', '--context', 'room=12')
  t.equal(labelled.code, exitCodes.denied.code)
  t.match(labelled.out, /^deny: confidentiality\n/)
})

t.test('a directive is recorded, listed and withdrawn', async (t) => {
  const record = (...more: readonly string[]) => chartwarden('consent', 'record', 'p-1', '--clinic', 'north', '--reason', 'asked', ...more)
  t.match(await record(), { err: /--permit or --deny/ })
  t.equal((await record('--permit', '--deny')).code, exitCodes.usage.code)
  t.match((await chartwarden('consent', 'list', 'p-1', '--clinic', 'north')).out, /decided nothing/)
  const denied = await record('--deny', '--recipient', 'lab:lab-1', '--types', 'imaging,lab_report', '--purposes', 'COC')
  t.match(denied.out, /^Patient p-1 refuses lab:lab-1 imaging, lab_report for COC: consent [0-9a-f-]{36}\.\n/)
  const id = /consent ([0-9a-f-]{36})/.exec(denied.out)?.[1] ?? ''
  t.match(
    (await record('--permit', '--from', '2030-01-01T00:00:00Z', '--until', '2031-01-01T00:00:00Z')).out,
    /permits anybody every type of record for any purpose from 2030-01-01T00:00:00\.000Z until 2031-/,
  )
  const listed = await chartwarden('consent', 'list', 'p-1', '--clinic', 'north')
  t.match(listed.out, /DECISION +RECIPIENT +TYPES +PURPOSES/)
  t.match(listed.out, /deny +lab:lab-1 +imaging, lab_report +COC +- +- +[0-9a-f-]{36}/)
  t.match(listed.out, /permit +anybody +all +any +2030-01-01T00:00:00\.000Z/)
  const withdrawn = await chartwarden('consent', 'withdraw', id, '--clinic', 'north', '--reason', 'thought again')
  t.match(withdrawn.out, /is withdrawn/)
  const again = await chartwarden('consent', 'withdraw', id, '--clinic', 'north', '--reason', 'thought again')
  t.match(again.err, /No such consent/)
  t.match(json((await chartwarden('--json', 'consent', 'list', 'p-1', '--clinic', 'north')).out), {
    rows: [{ decision: 'CONSENT_DECISION_PERMIT' }],
    complete_to_revision: /^\d+$/,
  })
})
