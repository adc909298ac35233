import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { timeText } from '../../output/describe.ts'

/** A period and the zone of the times beside it, for the head of what is handed to somebody. */
export const periodText = ({ from, until }: { readonly from?: Timestamp | undefined; readonly until?: Timestamp | undefined }): string =>
  `From ${from === undefined ? 'the beginning of the log' : timeText(from)} until ${until === undefined ? 'now' : timeText(until)}. All times are UTC.`
