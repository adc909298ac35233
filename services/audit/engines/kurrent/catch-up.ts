/** Brings the index of one clinic to where its stream ends. */
import { ChartwardenError } from '../../../kernel/errors.ts'
import type { LedgerIndex } from './ledger-index.ts'
import type { StreamReader } from './stream-reader.ts'

export interface CatchUpOptions {
  readonly index: Pick<LedgerIndex, 'head' | 'idAt' | 'add'>
  readonly reader: Pick<StreamReader, 'page' | 'pageAnew'>
  readonly pageEntries: number
}

/**
 * Answers whether anything was new. The entry that the index has last is read along: a stream that does not have it, or another one in its
 * place, has lost what was there (LEDGER_REGRESSED), and nothing may be appended behind it as if nothing had happened.
 */
export type CatchUp = (clinic: string) => Promise<boolean>

const regressed = (what: string): ChartwardenError => new ChartwardenError('LEDGER_REGRESSED', { cause: new Error(what) })

export const createCatchUp =
  ({ index, reader, pageEntries }: CatchUpOptions): CatchUp =>
  async (clinic) => {
    const last = (await index.head(clinic))?.revision ?? -1n
    const known = last < 0n ? undefined : await index.idAt(clinic, last)
    let from = last < 0n ? 0n : last
    let isNew = false
    for (;;) {
      let page = await reader.page(clinic, from, pageEntries)
      // A leader that has just been deposed, and answers yet, ends before the index too.
      if (from === last && page[0]?.id !== known) page = await reader.pageAnew(clinic, from, pageEntries)
      if (from === last) {
        if (page[0] === undefined) throw regressed(`a stream ends before revision ${last}, which it had`)
        if (page[0].id !== known) throw regressed(`a stream has another entry at revision ${last} than it had`)
      }
      const fresh = page.filter(({ revision }) => revision > last)
      await index.add(fresh)
      isNew ||= fresh.length > 0
      if (page.length < pageEntries) return isNew
      from += BigInt(page.length)
    }
  }
