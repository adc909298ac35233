/** The subjects who could do something to a record, whoever signs in anew. */
import type { Identities } from '../audit/identities.ts'
import type { CallContext } from '../kernel/caller.ts'
import { accessRequestOf, type Question } from './check.ts'
import { type AccessDecision, type AccessRequest, decideWhoeverSignedIn } from './decide.ts'
import type { SubjectReference } from './events.ts'
import { whoCanNotes } from './listing/notes.ts'
import { byPlace, type Page, type PageWishes, pageOf } from './listing/page.ts'
import type { ListedPage, ListRequest, ReadPage } from './listing/pages.ts'
import type { ClinicView } from './past-states.ts'
import { describedPatient } from './patient-of.ts'
import type { Steps } from './pinned-reading.ts'
import { type ShownSubject, shownSubject } from './shown.ts'

/** Somebody who could. */
export interface Able {
  readonly subject: SubjectReference
  readonly decision: AccessDecision
}

/**
 * The subjects of an active standing for whom a check by whoever signs in anew would be permitted, in order of pseudonym. Pure but for
 * where it may be interrupted.
 */
export const whoCan = (request: Omit<AccessRequest, 'subject' | 'session'>, subjectType: string, wishes: PageWishes): Steps<Page<Able>> =>
  function* (state, time) {
    const candidates = [...state.subjects.values()].filter(
      ({ status, reference }) => status === 'active' && (subjectType === '' || reference.type === subjectType),
    )
    const placeOf = ({ reference }: (typeof candidates)[number]) => reference.pseudonym
    return yield* pageOf(byPlace(candidates, placeOf), placeOf, wishes, ({ reference: subject }) => {
      const decision = decideWhoeverSignedIn(state, { ...request, subject }, time)
      return decision.decision === 'permit' ? { subject, decision } : undefined
    })
  }

export interface WhoCanQuestion extends ListRequest {
  readonly question: Pick<Question, 'action' | 'resource' | 'purpose' | 'context' | 'supportedObligations'>
  /** Empty: all. */
  readonly subjectType: string
}

export interface AbleShown {
  readonly subject: ShownSubject
  readonly decision: AccessDecision
}

export interface WhoCanOptions {
  readonly identities: Identities
  readonly readPage: ReadPage
}

/** Answers in pages; that somebody looked is recorded before. Subjects whose identity was erased are shown by pseudonym, marked so. */
export type WhoCan = (
  context: CallContext,
  question: WhoCanQuestion,
) => Promise<Omit<ListedPage<Able>, 'found'> & { readonly able: readonly AbleShown[] }>

export const createWhoCan = ({ identities, readPage }: WhoCanOptions): WhoCan => {
  const pageFor =
    (context: CallContext, { question, subjectType }: WhoCanQuestion) =>
    ({ vault }: ClinicView, wishes: PageWishes): Steps<Page<Able>> => {
      const asked = { caller: context.caller.id, override: context.caller.scopes.has('directory.override') }
      const { subject: _, session: __, ...request } = accessRequestOf(vault, { ...question, subject: { type: '', id: '' } }, asked)
      return whoCan(request, subjectType, wishes)
    }
  return async (context, whole) => {
    const { question: _, subjectType: __, ...named } = whole
    const list = { ...named, patientIn: describedPatient(whole.question.resource) }
    const { action, resource } = whole.question
    const asked = { action: action.name, resourceType: resource.type, subjectType: whole.subjectType }
    const { found, ...page } = await readPage(context, list, pageFor(context, whole), (state) => whoCanNotes(state, asked))
    const { clinic, vault } = page.view
    const resolved = await identities.resolve(
      clinic,
      vault,
      found.map(({ subject }) => subject.pseudonym),
    )
    return { ...page, able: found.map(({ subject, decision }) => ({ subject: shownSubject(subject, resolved), decision })) }
  }
}
