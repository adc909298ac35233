/** How an append goes wrong on its way. */
import type { AppendScript, IncomingAppend } from './appends.ts'
import type { KurrentDouble } from './double.ts'
import type { AppendRefusal } from './messages.ts'

/** The connection dies before anything was stored. */
export const cutBeforeStoring =
  (double: KurrentDouble): AppendScript =>
  () =>
    double.cut()

/** The connection dies with the answer under way: stored, and nobody was told. */
export const cutAfterStoring =
  (double: KurrentDouble): AppendScript =>
  (append) => {
    append.store()
    double.cut()
  }

/** Stored, and never answered: as the server treats a repeat of what is not replicated yet. */
export const storeSilently: AppendScript = (append) => void append.store()

/** Lost inside the server; never answered. */
export const swallow: AppendScript = () => {}

export const replyTwice: AppendScript = (append) => {
  const result = append.store()
  append.reply(result)
  append.reply(result)
}

/** The server does not know, or says that it did not, and has stored it. */
export const storeThenRefuse =
  (refusal: AppendRefusal): AppendScript =>
  (append) => {
    append.store()
    append.refuse(refusal)
  }

export const refuse =
  (refusal: AppendRefusal): AppendScript =>
  (append) =>
    append.refuse(refusal)

/** The leader has changed; the call says who leads now. */
export const sayNotLeader =
  (double: KurrentDouble, stored: boolean): AppendScript =>
  (append) => {
    if (stored) append.store()
    append.fail({ kind: 'not leader', leader: double.leader })
  }

/** A server that does not compare revisions: what no server does, for showing that a test would notice. */
export const storeAnywhere =
  (double: KurrentDouble): AppendScript =>
  (append) => {
    double.log.forgetIds()
    append.reply(double.log.append(append.stream, 'any', append.events))
  }

export interface Held {
  readonly script: AppendScript
  /** The append, once it has come in. */
  readonly taken: Promise<IncomingAppend>
}

/** Keeps an append back until the test does something with it: stores it late, answers late, or never. */
export const hold = (): Held => {
  const { promise, resolve } = Promise.withResolvers<IncomingAppend>()
  return { script: resolve, taken: promise }
}
