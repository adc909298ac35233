/** The commands of the guide to a compliance officer's questions run as they are printed. */
import t from 'tap'
import { followedGuide } from './support/followed-guide.ts'

const clinic = 'northside'
const { chartwarden, outOf } = await followedGuide(t, 'answer-questions.md', (out) => {
  const [, refused] = /^deny: .*revision (\d+)/s.exec(out) ?? []
  const [, left] = /^staff:tom (?!is enrolled).*revision (\d+)/s.exec(out) ?? []
  return { ...(refused === undefined ? {} : { REVISION: refused }), ...(left === undefined ? {} : { LEFT: left }) }
})

t.test('somebody follows the guide, from an empty service on', async (t) => {
  const scope = outOf('report scope')
  t.match(scope, /PATIENT_ID +FIRST.*p-1001 .*p-1002 .* 1 +0 +0 +1 +medical_history +read\n.*p-1003 .* 0 +0 +1 +0/s)
  t.match(outOf('activity', 'staff:mia'), /access +refused .*lab_report.*access +authorised .*medical_history/s)
  t.match(outOf('activity', 'staff:kim'), /change +- +role\.granted\.v1 .*staff:mia +hygienist/)
  const report = outOf('report patient')
  t.match(report, /authorised +read +medical_history +TREAT +hygienist +[\w-]{16}/)
  t.notMatch(report, /mia/)
  t.match(outOf('--staff-names'), /hygienist +staff:mia +[\w-]{16}/)
  t.match(outOf('summary', '--by day'), /\d{4}-\d\d-\d\d +lab_report +refused +1 +1 .*medical_history +authorised +2 +2 /s)
  t.match(outOf('summary', '--by subject'), /^subject,accesses,patients,first,last\r\nstaff:mia,3,3,/m)
  t.match(outOf('report offboardings'), /EFFECTIVE +RECORDED_AT[\s\S]*staff:tom +2026-06-30T15:00:00\.000Z +\d{4}-/)
  t.match(
    report,
    /^Accesses to the record of the patient p-1001 in the clinic northside\.\nFrom the beginning of the log until now\. All times are UTC\.\n\n/,
  )
  t.notMatch(outOf('--without-roles'), /ROLES|hygienist/)
  t.match(outOf('report watch'), /of patient p-1001 .* {2}revision \d+, recorded .*\n.*p-1002 /)
})

t.test('numbers of the account come with the end for a program', async (t) => {
  const window = ['--from', '2026-01-01T00:00:00Z', '--until', '2100-01-01T00:00:00Z']
  const { out } = await chartwarden('report', 'scope', '--clinic', clinic, '--subject', 'staff:mia', ...window, '--format', 'ndjson')
  const lines = out.trim().split('\n')
  t.match(JSON.parse(lines.at(-1) ?? ''), {
    end: { rows: 3, totals: { patients: '2', patients_refused_only: '1', records: '2', refused: '1', records_counted: true } },
  })
  const told = await chartwarden('report', 'scope', '--clinic', clinic, '--caller', 'nobody', ...window)
  t.match(told.err, /0 patients touched, 0 more asked for in vain; 0 records\./)
})

t.test('a misspelt name is no empty answer', async (t) => {
  const nobody = ['--clinic', clinic, '--subject', 'staff:nobody']
  t.match(await chartwarden('report', 'activity', ...nobody), { code: 0, err: /Note: no entry of this clinic names staff:nobody/ })
  t.match(JSON.parse((await chartwarden('report', 'access', ...nobody, '--json')).out), { rows: { length: 0 }, notes: [/staff:nobody/] })
  t.match(await chartwarden('report', 'patient', '--clinic', clinic, '--patient', 'p-9999'), { code: 0, err: /names the patient p-9999/ })
  t.notMatch((await chartwarden('report', 'activity', '--clinic', clinic, '--subject', 'staff:mia')).err, /Note/, 'twin: she is known')
  t.match(await chartwarden('report', 'access', '--clinic', clinic, '--purpose', 'TREATT'), { code: 2, err: /--purpose: there is no/ })
  t.match(await chartwarden('report', 'access', '--clinic', clinic, '--flag', 'after-exit'), { code: 2, err: /--flag: there is no/ })
})

t.test('what is wrong with a command is said', async (t) => {
  const backwards = ['--from', '2026-02-01T00:00:00Z', '--until', '2026-01-01T00:00:00Z']
  t.match(await chartwarden('report', 'access', '--clinic', clinic, ...backwards), {
    code: 2,
    err: /^chartwarden: --until: must be after from/,
  })
  t.match(await chartwarden('report', 'disclosures', '--clinic', clinic, '--for-patient'), {
    code: 2,
    err: /--for-patient: needs --patient/,
  })
  const window = ['--from', '2026-01-01T00:00:00Z', '--until', '2100-01-01T00:00:00Z']
  t.match(await chartwarden('report', 'scope', '--clinic', clinic, ...window), { code: 2, err: /--subject or --caller/ })
  t.match(await chartwarden('report', 'scope', '--clinic', clinic, '--subject', 'staff:mia'), { code: 2, err: /--from/ })
  t.match(await chartwarden('report', 'summary', '--clinic', clinic, '--by', 'week'), { code: 2, err: /no "week"/ })
  t.match(await chartwarden('report', 'summary', '--clinic', clinic, '--by', 'day', '--time-zone', 'Mars'), {
    code: 2,
    err: /--time-zone: /,
  })
  t.match(await chartwarden('report', 'patient', '--clinic', clinic), { code: 2, err: /--patient/ })
  t.match(await chartwarden('report', 'patient', '--clinic', clinic, '--patient', 'p-1', '--on-behalf-of', 'staff:mia'), {
    code: 4,
    err: /may not/,
  })
  t.match(await chartwarden('report', 'activity', '--clinic', 'elsewhere', '--subject', 'staff:mia'), { code: 4, err: /no such clinic/ })
})
