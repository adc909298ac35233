import { createHash } from 'node:crypto'
import { canonicalJson, type JsonValue } from '../../services/kernel/canonical-json.ts'
import { uuidV5 } from '../../services/kernel/ids.ts'

/** UUIDv5(URL namespace, "https://chartwarden.example/demo"). Never changes: it is what makes a second run a repeat of the first. */
const demoNamespace = '5bbc39a8-bba0-5fc0-b177-5f279cf73ff9'

/** The request id of one step of the demo, the same in every run. */
export const demoRequestId = (step: string): string => uuidV5(demoNamespace, step)

/** The same for a step whose content comes from elsewhere and may change with a new version of the product. */
export const demoContentRequestId = (step: string, content: JsonValue): string =>
  demoRequestId(`${step}/${createHash('sha256').update(canonicalJson(content)).digest('hex')}`)
