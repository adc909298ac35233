/** Fields of the queries of reports, by the last part of their path that is an option → that option. */
const options: ReadonlyMap<string, string> = new Map([
  ['clinic', '--clinic'],
  ['on_behalf_of', '--on-behalf-of'],
  ['wait_for_revision', '--wait-for-revision'],
  ['from_revision', '--from-revision'],
  ['from', '--from'],
  ['until', '--until'],
  ['as_of', '--as-of'],
  ['subject', '--subject'],
  ['caller', '--caller'],
  ['patient_id', '--patient'],
  ['entry_id', '--entry'],
  ['resource_types', '--type'],
  ['actions', '--action'],
  ['purposes', '--purpose'],
  ['flags', '--flag'],
  ['kinds', '--kind'],
  ['states', '--state'],
  ['dimensions', '--by'],
  ['time_zone', '--time-zone'],
])

/** The option that a field of a report's query was typed as: `account_scope.until` is `--until`. */
export const reportOption = (field: string): string => {
  const part = field.split('.').findLast((name) => options.has(name))
  return options.get(part ?? '') ?? field
}
