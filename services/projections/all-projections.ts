import type { Projection } from './projection.ts'
import { accessHistory } from './read-models/access-history.ts'
import { activities } from './read-models/activities.ts'
import { clinics } from './read-models/clinics.ts'
import { concerns } from './read-models/concerns.ts'
import { disclosures } from './read-models/disclosures.ts'
import { emergencies } from './read-models/emergencies.ts'
import { identities } from './read-models/identities.ts'
import { offboardings } from './read-models/offboardings.ts'
import { roleGrants } from './read-models/role-grants.ts'

/** Every read model, in the order in which a batch is applied: one that reads another's tables stands after it. */
export const allProjections: readonly Projection[] = [
  identities,
  offboardings,
  roleGrants,
  accessHistory,
  emergencies,
  disclosures,
  concerns,
  activities,
  clinics,
]
