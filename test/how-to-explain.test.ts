/** The commands of the guide to explaining and simulating run as they are printed. */
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { followedGuide } from './support/followed-guide.ts'

const clinic = 'northside'
const { page, chartwarden, said, outOf } = await followedGuide(t, 'explain-and-simulate.md', (out) => {
  const [, then] = /care team[^\n]*\n +entry \S+, revision \d+, (\S+)/.exec(out) ?? []
  return then === undefined ? {} : { THEN: then }
})

t.test('somebody follows the guide, from an empty service on', async (t) => {
  t.equal(said().length, 27)
  const [, shown = ''] = /```\n(deny: .*?)```/s.exec(readFileSync(page, 'utf8')) ?? []
  t.equal(outOf(' explain ').split('  as of revision')[0], shown)
  t.match(outOf(' who-can '), /staff:anna +role\/dentist#treatment_record\.read/)
  t.match(outOf(' who-can '), /staff:henry +role\/hygienist#treatment_record\.read/)
  t.match(outOf(' what-can '), /treatment_record +- +read/)
  t.notMatch(outOf(' what-can ', '--resource imaging:img-7'), /img-7/)
  t.match(outOf(' what-can ', '--records'), /treatment_record:t-1 +p-1001 +read/)
  t.match(
    outOf('--roles', '--last'),
    /staff:anna +read +treatment_record +TREAT +permit: role_permits.*deny: .*2 questions decided with both, 1 would/s,
  )
  t.match(outOf('--retire'), /staff:henry +read +treatment_record .*1 would be answered otherwise/s)
  t.match(outOf('--roles', '--subject'), /1 question decided with both, 1 would/)
  t.match(outOf('who-can', '--as-of'), /staff:mia +role\/hygienist/, 'then the leaver was among them')
  t.match(outOf('explain', '--as-of'), /^permit: role_permits/)
  t.match(outOf('staff show', '--as-of'), /staff:mia: active.*hygienist/s)
  t.match(outOf('staff list', '--as-of'), /staff:mia +active +hygienist/)
})

t.test('records are listed by their names, with the patient and the rule', async (t) => {
  const asked = ['what-can', '--clinic', clinic, '--subject', 'staff:henry', '--purpose', 'TREAT']
  const { out, err } = await chartwarden(...asked, '--records', 'treatment_record', '--action', 'read')
  t.match(out, /treatment_record:t-1 +p-1001 +read/)
  t.match(err, /1 record, as of revision \d+\./)
  const json = JSON.parse((await chartwarden('--json', ...asked, '--resource', 'medical_history')).out) as { rows: { action: string }[] }
  t.same(
    json.rows.map(({ action }) => action),
    ['create', 'read', 'update'],
  )
})

t.test('a record asked for with another patient is refused with that reason, and without one means its own', async (t) => {
  const question = ['--clinic', clinic, '--subject', 'staff:anna', '--action', 'read', '--purpose', 'TREAT']
  const ofAnother = await chartwarden('explain', ...question, '--resource', 'imaging:img-8', '--patient', 'p-1001')
  t.match(ofAnother.out, /^deny: patient_mismatch/)
  t.match(
    ofAnother.out,
    /Name the patient of the record, as the directory knows it \(resource\.patient_id\); and put this subject on the care team/,
  )
  const ofNone = await chartwarden('explain', ...question, '--resource', 'imaging:img-8')
  t.match(ofNone.out, /^deny: not_own_patient by role\/dentist#imaging\.read/)
})

t.test('settings are tried as they are shown', async (t) => {
  const shown = await chartwarden('settings', 'show', '--clinic', clinic, '--json')
  const file = path.join(t.testdir(), 'settings.json')
  writeFileSync(file, shown.out)
  const last = ['simulate', '--clinic', clinic, '--last', '10', '--settings']
  t.match(await chartwarden(...last, file), { code: 0, out: /^2 questions decided with both, 0 would be answered otherwise\.\n/ })
  writeFileSync(file, '{"settings":{"own_record":"always"}}')
  t.match(await chartwarden(...last, file), { code: 2, err: /proposed\.settings\.own_record/ })
  writeFileSync(file, '{"settings":{"unheard_of":1}}')
  t.match(await chartwarden(...last, file), { code: 2, err: /does not hold settings/ })
})

t.test('what is wrong with a command is said, and what it ends with', async (t) => {
  const question = ['--subject', 'staff:anna', '--action', 'read', '--resource', 'imaging:i', '--purpose', 'TREAT']
  t.match(await chartwarden('explain', '--clinic', clinic), { code: 2, err: /--subject <type:id>' not specified/ })
  t.match(await chartwarden('explain', '--clinic', clinic, ...question, '--purpose', 'WHY'), { code: 2, err: /^chartwarden: --purpose: / })
  t.match(await chartwarden('simulate', '--clinic', clinic, '--retire', 'dentist'), {
    code: 2,
    err: /--subject: is required.*--purpose: /s,
  })
  t.match(await chartwarden('explain', '--clinic', clinic, ...question, '--on-behalf-of', 'staff:anna'), { code: 4, err: /may not/ })
  t.match(await chartwarden('explain', '--clinic', 'elsewhere', ...question), { code: 4, err: /no such clinic/ })
  t.match(await chartwarden('who-can', '--clinic', clinic, '--action', 'read'), { code: 2, err: /--resource/ })
  t.match(await chartwarden('what-can', '--clinic', clinic, '--subject', 'staff:anna', '--purpose', 'TREAT', '--records', 'imaging'), {
    code: 2,
    err: /--action: is required/,
  })
  t.match(await chartwarden('simulate', '--clinic', clinic, '--last', '5', ...question), { code: 2, err: /--last/ })
  const both = ['--subject', 'staff:anna', '--purpose', 'TREAT', '--action', 'read', '--resource', 'imaging:img-7', '--records', 'imaging']
  t.match(await chartwarden('what-can', '--clinic', clinic, ...both), { code: 2, err: /--records.*cannot be used/ })
  t.match(await chartwarden('simulate', '--clinic', clinic, '--last', '5'), { code: 2, err: /Say what is proposed/ })
  t.match(await chartwarden('simulate', '--clinic', clinic, '--retire', 'nobody', '--last', '5'), {
    code: 2,
    err: /--retire: No such role/,
  })
  t.match(await chartwarden('simulate', '--clinic', clinic, '--roles', '/nowhere.yaml', '--last', '5'), { code: 2, err: /cannot be read/ })
})
