/** Pages of one recorded reading: the first makes the entry, later ones belong to it and rest on the same state and moment. */
import { createHash } from 'node:crypto'
import type { Ledger, StoredEntry } from '../../audit/ledger.ts'
import type { ClinicVault } from '../../audit/vault.ts'
import type { CallContext } from '../../kernel/caller.ts'
import { canonicalJson, type JsonValue } from '../../kernel/canonical-json.ts'
import { ChartwardenError } from '../../kernel/errors.ts'
import type { PageTokens } from '../../kernel/page-tokens.ts'
import type { ClinicView, PastStates } from '../past-states.ts'
import type { Pin, PinnedReading, Steps } from '../pinned-reading.ts'
import type { AuthoriseReading, ReadingRequest } from '../reading.ts'
import type { ClinicState } from '../state.ts'
import type { Page, PageWishes } from './page.ts'

/** What a list needs besides what it lists. */
export interface ListRequest extends Omit<ReadingRequest, 'record' | 'streamed' | 'scope' | 'needs'> {
  readonly pageSize: number
  /** From the previous answer; empty: the first page. */
  readonly pageToken: string
  /** As of this past moment, milliseconds since the epoch; undefined: now. */
  readonly asOf?: number
}

export interface ListedPage<Found> extends Page<Found> {
  readonly view: ClinicView
  /** Of the first page. */
  readonly entry: StoredEntry
  readonly revision: bigint
  /** Empty at the end. */
  readonly nextPageToken: string
  /** In words: why it may be emptier than meant, by the state that the page rests on. */
  readonly notes: readonly string[]
}

export interface PagesOptions {
  readonly ledger: Pick<Ledger, 'find'>
  readonly authorise: AuthoriseReading
  readonly tokens: PageTokens
  readonly pinned: PinnedReading
  readonly past: PastStates
}

/** Authorises, records and reads one page. Throws PAGE_TOKEN_INVALID and PAGE_OUTDATED besides what the reading throws. */
export type ReadPage = <Found>(
  context: CallContext,
  request: ListRequest,
  page: (view: ClinicView, wishes: PageWishes) => Steps<Page<Found>>,
  notes: (state: ClinicState, vault: ClinicVault) => readonly string[],
) => Promise<ListedPage<Found>>

interface Cursor extends Pin {
  readonly after: string
  readonly entryId: string
}

const cursorOf = (cursor: JsonValue): Cursor => {
  const { revision, time, after, entry } = cursor as { revision: string; time: number; after: string; entry: string }
  return { revision: BigInt(revision), time, after, entryId: entry }
}

export const createReadPage = ({ ledger, authorise, tokens, pinned, past }: PagesOptions): ReadPage => {
  /** Everything that makes the query what it is. The filter may be longer than a token is. */
  const boundTo = ({ caller }: CallContext, { query, clinic, onBehalfOf, filter }: ListRequest): JsonValue => ({
    query,
    clinic,
    caller: caller.id,
    issuer: caller.issuer,
    // What a caller may override counts in the answer.
    override: caller.scopes.has('directory.override'),
    person: onBehalfOf === undefined ? null : { type: onBehalfOf.type, id: onBehalfOf.id },
    filter: createHash('sha256').update(canonicalJson(filter)).digest('base64url'),
  })

  return async (context, request, page, notes) => {
    const { pageSize: size, pageToken, asOf, ...reading } = request
    await past.check(request.clinic, asOf)
    const bound = boundTo(context, request)
    const cursor = pageToken === '' ? undefined : cursorOf(tokens.read(bound, pageToken))
    const { writer, entry: made } = await authorise(context, {
      ...reading,
      scope: 'policy.explain',
      needs: { resourceType: 'audit_log', action: 'read' },
      record: cursor === undefined ? 'viewing' : 'none',
      streamed: false,
    })
    const entry = made ?? (cursor === undefined ? undefined : (await ledger.find(request.clinic, [cursor.entryId])).get(cursor.entryId))
    if (entry === undefined) throw new ChartwardenError('PAGE_TOKEN_INVALID')
    const moment = asOf === undefined ? undefined : await past.at(context, writer, asOf)
    const view = moment?.view ?? writer
    const pin = cursor ?? (moment && { revision: view.state.revision, time: moment.time })
    const steps = page(view, { after: cursor?.after, size })
    const { result, revision, time } = await pinned(context, view, pin, function* (state, now) {
      return { ...(yield* steps(state, now)), notes: notes(state, view.vault) }
    })
    const next = result.next
    return {
      ...result,
      view,
      entry,
      revision,
      nextPageToken: next === undefined ? '' : tokens.issue(bound, { revision: String(revision), time, after: next, entry: entry.id }),
    }
  }
}
