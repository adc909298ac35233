import type { Pool } from 'pg'
import { haltWords } from './halt-words.ts'
import type { HaltCause } from './log-store.ts'
import type { SignerStore } from './signer-store.ts'
import { standingsOf } from './standing.ts'

/** Clinics whose ledger ends before what was signed of it, each with one line for the operator. */
export type FindBehind = () => Promise<ReadonlyMap<string, string>>

export interface BehindStoreOptions {
  readonly store: Pick<SignerStore, 'read'>
  readonly base: string
  /** Entries in a clinic's ledger now. */
  readonly entries: (clinic: string) => Promise<bigint>
}

const askedAtOnce = 4

/** By comparing every ledger with the signer store. Throws StartError where that cannot be used. */
export const findBehindStore =
  ({ store, base, entries }: BehindStoreOptions): FindBehind =>
  async () => {
    const { clinics, standing } = standingsOf(await store.read(), base)
    const found = new Map<string, string>()
    const compare = async (clinic: string): Promise<void> => {
      const { signed, origin } = standing(clinic)
      if (signed === undefined) return
      const ledger = await entries(clinic)
      if (ledger >= signed.size) return
      const facts = { clinic, origin, ledger, tree: 0n, signed: signed.size, published: 0n }
      found.set(clinic, haltWords('ledger_behind', facts))
    }
    for (let start = 0; start < clinics.length; start += askedAtOnce) {
      await Promise.all(clinics.slice(start, start + askedAtOnce).map(compare))
    }
    return found
  }

const behind = 'ledger_behind' satisfies HaltCause

/** By what the process that signs has found, for one that has no signer store. `pool`: of the feed role. */
export const findBehindHalts =
  (pool: Pick<Pool, 'query'>): FindBehind =>
  async () => {
    const { rows } = await pool.query<{ clinic: string }>('select clinic from chartwarden_log.logs where halted = $1', [behind])
    const words = (clinic: string): string =>
      `The process that signs has found less in the ledger of clinic ${clinic} than was signed. The clinic is not served; its log says what to do.`
    return new Map(rows.map(({ clinic }) => [clinic, words(clinic)]))
  }

/**
 * By the signer store at first, and for as long as that names one; by what the process that signs has found from then on, for one that reads the
 * store without signing: comparing every ledger again and again would cost more than asking who does so anyway.
 */
export const findBehindBoth = (store: FindBehind, halts: FindBehind): FindBehind => {
  let fromStore: ReadonlyMap<string, string> | undefined
  return async () => {
    if (fromStore === undefined || fromStore.size > 0) fromStore = await store()
    return new Map([...(await halts()), ...fromStore])
  }
}
