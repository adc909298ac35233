import type { Clinic } from '../proto/gen/chartwarden/access/v1/administration_pb.js'
import type { Connection } from './connection.ts'

/** Every clinic the token reaches, page by page. */
export async function* listClinics(clinics: Connection['clinics']): AsyncGenerator<Clinic, void, undefined> {
  let pageToken = ''
  do {
    const page = await clinics.listClinics({ pageSize: 1000, pageToken })
    yield* page.clinics
    pageToken = page.nextPageToken
  } while (pageToken !== '')
}
