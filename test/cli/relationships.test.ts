/** The commands about care teams and shares: what is typed, what it does, what it ends with. */
import t from 'tap'
import { exitCodes } from '../../cli/exit-codes.ts'
import { northOverCli } from '../support/north-over-cli.ts'

const { clients, chartwarden } = await northOverCli(t)
const inClinic = ['--clinic', 'north']

t.test('somebody joins a care team and leaves it, and checks follow', async (t) => {
  const ask = () =>
    chartwarden(...'check --clinic north --subject staff:anna --action read --resource imaging:i --patient p-1 --purpose TREAT'.split(' '))
  t.match((await ask()).out, /^deny: not_own_patient/)
  const add = ['care-team', 'add', 'p-1', 'staff:anna', ...inClinic, '--request-id', '0d5d1f4e-98a1-4d0c-9d53-0d3d0c9f9c01']
  t.match((await chartwarden(...add)).out, /^staff:anna is on the care team of patient p-1\.\n {2}entry /)
  t.match((await chartwarden(...add)).out, /\(a repeat\)/)
  t.match((await ask()).out, /^permit: role_permits/)
  t.match((await chartwarden('care-team', 'remove', 'p-1', 'staff:anna', ...inClinic)).out, /is off the care team of patient p-1/)
  t.match((await ask()).out, /^deny: not_own_patient/)
  const again = await chartwarden('care-team', 'remove', 'p-1', 'staff:anna', ...inClinic)
  t.match(again, { code: exitCodes.conflict.code, err: /not on the care team/ })
  const over = await chartwarden('care-team', 'add', 'p-1', 'staff:anna', ...inClinic, '--until', '2020-01-01T00:00:00Z')
  t.equal(over.code, exitCodes.usage.code, over.err)
  t.match(await chartwarden('care-team', 'add', 'p-1', 'anna', ...inClinic), { code: exitCodes.usage.code, err: /type:id/ })
})

t.test('records are shared and the share is ended', async (t) => {
  const share = ['share', 'record', 'p-1', 'staff:anna', ...inClinic, '--types', 'imaging,lab_report', '--actions', 'read']
  const shared = await chartwarden(...share, '--purpose', 'COC', '--until', '2099-01-01T00:00:00Z', '--records', 'i-1,l-1')
  t.match(shared.out, /^Shared with staff:anna: share [0-9a-f-]{36}\.\n {2}entry /, shared.err)
  const id = /share ([0-9a-f-]{36})/.exec(shared.out)?.[1] ?? ''
  const held = await clients.people.getStaff({ clinic: 'north', subject: { type: 'staff', id: 'anna' } })
  t.equal(held.staff?.subject?.id, 'anna')
  const end = ['share', 'end', id, ...inClinic, '--reason', 'Done']
  t.match((await chartwarden(...end)).out, /is over\.\n {2}entry /)
  t.match(await chartwarden(...end), { code: exitCodes.conflict.code, err: /No such share/ })
  t.match(await chartwarden(...share, '--purpose', 'COC'), { code: exitCodes.usage.code, err: /--until/ })
  const json = await chartwarden('--json', ...share, '--purpose', 'COC', '--until', '2099-01-01T00:00:00Z')
  t.match(JSON.parse(json.out), { share_id: /^[0-9a-f-]{36}$/, replayed: false })
})

t.test('a person named is decided on, and the refusal says why', async (t) => {
  const asAnna = ['care-team', 'add', 'p-1', 'staff:anna', ...inClinic, '--on-behalf-of', 'staff:anna']
  const refused = await chartwarden(...asAnna)
  t.equal(refused.code, exitCodes.notAllowed.code)
  t.match(refused.err, /why: \w+: [^\n]+\n {2}needs: care_team update\n/)
  t.match(JSON.parse((await chartwarden(...asAnna, '--json')).err), { error: { metadata: { needs: 'care_team update' } } })
  const nobody = await chartwarden(...asAnna.slice(0, -1), 'staff:nobody')
  t.match(nobody.err, /why: unknown_subject: Nobody of this identifier is known in this clinic\./)
})
