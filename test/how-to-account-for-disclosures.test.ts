/** The commands of the guide to disclosures and concerns run as they are printed. */
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import t from 'tap'
import { clientsOf, registerTestClinic } from './support/clinic.ts'
import { commandLine } from './support/command-line.ts'
import { followPage } from './support/follow-page.ts'
import { createTestDatabase } from './support/postgres.ts'
import { startTestService } from './support/service.ts'

const clinic = 'northside'
const page = path.resolve(import.meta.dirname, '../docs/how-to/account-for-disclosures.md')

t.test('somebody follows the guide, from an empty service on', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const run = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  const { reports } = clientsOf(service, await service.token({ clinics: [clinic] }))
  let recorded = 0n
  /** Somebody who types is slower than the read models are late. */
  const chartwarden = async (...argv: string[]) => {
    if (argv[0] === 'report') await reports.concerns({ clinic, waitForRevision: recorded })
    const ran = await run(...argv)
    recorded = BigInt(/, revision (\d+),/.exec(ran.out)?.[1] ?? recorded)
    return ran
  }
  const learn = (out: string): Record<string, string> => {
    const [, concern] = /^Concern recorded: ([0-9a-f-]{36})\.$/m.exec(out) ?? []
    const [, disclosed] = /^Disclosure recorded\.\n.*revision (\d+),/m.exec(out) ?? []
    return { ...(concern === undefined ? {} : { CONCERN: concern }), ...(disclosed === undefined ? {} : { DISCLOSED: disclosed }) }
  }
  const followed = await followPage(t, page, { chartwarden, learn })
  const saidBy = (part: string): string => followed.find(({ command }) => command.includes(part))?.out ?? ''
  t.match(saidBy('disclosure record'), /^Disclosure recorded\.\n {2}entry [0-9a-f-]{36}, revision \d+/)
  t.match(
    saidBy('--group'),
    /2026-03-02T08:00:00\.000Z +p-1001 +Public Health Office +1 Market Square +Immunisations of 2025 .*accountable +2 /,
  )
  const csv = saidBy('--format csv')
  t.match(csv, /^date,recipient,address,description,purpose,number,last_date\r\n/, 'nothing of who recorded it')
  t.match(csv.split('\n').length, 4, 'a header, two rows and the end of the last line')
  t.notOk(csv.includes('Dental laboratory'))
  const handed = saidBy('--for-patient')
  t.match(
    handed,
    /^Disclosures about the patient p-1001 by the clinic northside\.\nFrom \d{4}-\S+Z until \d{4}-\S+Z\. All times are UTC\.\n\nDATE +RECIPIENT/,
  )
  t.notMatch(handed, /RECORDED|staff:/)
  t.match(saidBy('--include-excluded'), /Dental laboratory/)
  t.match(saidBy('--include-suspended'), /State Police.*2199-01-01T00:00:00\.000Z/)
  t.match(saidBy('report concerns'), /dispute +p-1001 +I was abroad that day .* 2 +\S+ accepted: A colleague .*staff:kim/)
  t.match(saidBy('report concerns'), /without my consent .* 0 .*[0-9a-f-]{36}/, 'and the entry, which was named by its revision')
  t.notOk(saidBy('--open').includes('I was abroad'))

  const withheld = await chartwarden(
    'report',
    'disclosures',
    '--clinic',
    clinic,
    '--token',
    await service.token({ clinics: [clinic], scopes: ['report.read'] }),
  )
  t.match(withheld, { code: 0, out: /p-1001/, err: /audit\.unseal.*no accounting/ })
  t.notOk(withheld.out.includes('Public Health Office'))
  const blind = ['--clinic', clinic, '--token', await service.token({ clinics: [clinic], scopes: ['report.read'] })]
  t.match(await chartwarden('report', 'concerns', ...blind), { code: 0, out: /dispute/, err: /Texts .* not shown: .*audit\.unseal/ })
  t.notMatch((await chartwarden('report', 'concerns', '--clinic', clinic)).err, /audit\.unseal/, 'twin: with the scope nothing is withheld')
})

t.test('what is wrong with a command is said by the option that is wrong, and what it ends with', async (t) => {
  const service = await startTestService(t, { database: await createTestDatabase(t) })
  const clients = clientsOf(service, await service.token({ clinics: [clinic] }))
  await registerTestClinic(clients, clinic)
  const run = commandLine({ CHARTWARDEN_STATE_DIR: service.stateDir, CHARTWARDEN_GRPC_ADDR: service.address })
  const chartwarden = (...argv: string[]) => run(...argv, '--clinic', clinic)
  const disclosure = ['disclosure', 'record', 'p-1', '--by', 'staff:boss', '--recipient', 'R', '--description', 'D', '--purpose', 'P']
  t.match(await chartwarden(...disclosure), { code: 2, err: /--category/ })
  t.match(await chartwarden(...disclosure, '--category', 'gossip'), { code: 2, err: /accountable, treatment-payment-operations/ })
  t.match(await chartwarden(...disclosure, '--category', 'accountable', '--recipient', ' '), { code: 2, err: /--recipient: is required/ })
  const times = ['--at', '2026-01-01T00:00:00Z', '--suspended-until', '2026-01-01T00:00:00Z']
  t.match(await chartwarden(...disclosure, '--category', 'accountable', ...times), { code: 2, err: /--suspended-until: must lie after/ })
  const concern = ['concern', 'record', 'p-1', '--by', 'staff:boss', '--text', 'x']
  t.match(await chartwarden(...concern), { code: 2, err: /--kind/ })
  t.match(await chartwarden(...concern, '--kind', 'answer'), { code: 2, err: /dispute, correction, complaint/ })
  t.match(await chartwarden(...concern, '--kind', 'dispute', '--about', randomUUID()), { code: 6, err: /concerns this patient/ })
  const answer = ['concern', 'answer', randomUUID(), 'p-1', '--by', 'staff:boss', '--text', 'x']
  t.match(await chartwarden(...answer, '--outcome', 'fine'), { code: 2, err: /accepted, partly-accepted, denied, withdrawn, pending/ })
  t.match(await chartwarden(...answer, '--outcome', 'denied'), { code: 6, err: /No such concern/ })
  t.match(await chartwarden('report', 'emergencies', '--state', 'late'), { code: 2, err: /pending, overdue, reviewed/ })
  t.match(await chartwarden('report', 'concerns', '--kind', 'answer'), { code: 2, err: /There is no "answer"/ })
  t.match(await chartwarden('report', 'emergencies', '--state', 'overdue,pending', '--json'), {
    code: 0,
    out: /^\{"rows":\[\],"complete_to_revision":"\d+","parked_entries":"0"\}/,
  })
  const requestId = randomUUID()
  const once = [...disclosure, '--category', 'accountable', '--request-id', requestId, '--json']
  const [first, again] = [await chartwarden(...once), await chartwarden(...once)]
  t.match(JSON.parse(again.out), { replayed: true, entry: { id: (JSON.parse(first.out) as { entry: { id: string } }).entry.id } })
})
