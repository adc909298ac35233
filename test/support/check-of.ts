/** Has a service check a ledger. */
import type { CheckResult } from '../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import type { Clients } from './clinic.ts'

export const checkOf = async (
  client: Clients['audit'],
  clinic = 'north',
  options: { readonly signal?: AbortSignal } = {},
  also: { readonly projections?: boolean } = {},
) => {
  const parts: string[] = []
  let result: CheckResult | undefined
  for await (const { item } of client.checkLedger({ clinic, ...also }, options)) {
    if (item.case === 'progress') parts.push(item.value.part)
    if (item.case === 'result') result = item.value
  }
  if (result === undefined) throw new Error('no result')
  return { parts, result }
}
