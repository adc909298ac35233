import t from 'tap'
import { AccessService } from '../../../proto/gen/chartwarden/access/v1/access_service_pb.js'
import { ClinicService } from '../../../proto/gen/chartwarden/access/v1/administration_pb.js'
import { twinsOf } from '../../../services/kernel/http/twin.ts'
import { methodRules } from '../../../services/kernel/scopes.ts'

t.test('addresses are the names of the contract, with the clinic where a call names one', async (t) => {
  const paths = [AccessService, ClinicService].flatMap((service) => twinsOf(service, methodRules)).map(({ path }) => path)
  t.strictSame(paths, [
    '/v1/clinics/{clinic}/access/check',
    '/v1/clinics/{clinic}/access/check-batch',
    '/v1/clinics/{clinic}/access/explain',
    '/v1/clinics/{clinic}/access/who-can',
    '/v1/clinics/{clinic}/access/what-can',
    '/v1/clinic/register-clinic',
    '/v1/clinic/list-clinics',
  ])
})

t.test('a method without a rule has no address: it would be open to every token', async (t) => {
  t.throws(() => twinsOf(AccessService, {}), { name: 'StartError', message: /has no rule/ })
})
