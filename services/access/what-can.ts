/** What a subject could do, whoever signs in anew: actions on a record or on each type, or records of a type. */
import { openEnvelope } from '../audit/entry.ts'
import type { Identities } from '../audit/identities.ts'
import type { Ledger } from '../audit/ledger.ts'
import type { ClinicVault, Pseudonym, Sealed } from '../audit/vault.ts'
import type { CallContext } from '../kernel/caller.ts'
import { accessRequestOf, type Question } from './check.ts'
import { type AccessDecision, type AccessRequest, decideWhoeverSignedIn } from './decide.ts'
import { whatCanNotes } from './listing/notes.ts'
import { byPlace, type Page, type PageWishes, pageOf } from './listing/page.ts'
import type { ListedPage, ListRequest, ReadPage } from './listing/pages.ts'
import type { ClinicView } from './past-states.ts'
import { describedPatient } from './patient-of.ts'
import type { Steps } from './pinned-reading.ts'
import { vocabularyOf, wildcard } from './policy/roles.ts'
import { commonActions } from './policy/unknown-names.ts'
import { shownPatient } from './shown.ts'
import { patientResource, type ResourceState } from './state/directory.ts'
import type { ClinicState } from './state.ts'

const namesOf = (named: ReadonlySet<string>, behindWildcard: Iterable<string>): readonly string[] => {
  const names = new Set(named)
  if (names.delete(wildcard)) for (const name of behindWildcard) names.add(name)
  return [...names].sort()
}

/** An action on a type of record, or on one record. */
export interface AbleAction {
  readonly action: string
  readonly resourceType: string
  readonly decision: AccessDecision
}

/** Actions of the clinic's vocabulary, on the type named or on each, in order of type and action. */
export const whatActions = (request: Omit<AccessRequest, 'action'>, wishes: PageWishes): Steps<Page<AbleAction>> =>
  function* (state, time) {
    const { resourceTypes, actions } = vocabularyOf(state.roles)
    const described = new Set([...state.directory.resources.values()].map(({ resourceType }) => resourceType))
    const types = request.resourceType === '' ? namesOf(resourceTypes, described) : [request.resourceType]
    const everyAction = namesOf(actions, commonActions)
    const pairs = types.flatMap((resourceType) => everyAction.map((action) => ({ resourceType, action })))
    const placeOf = ({ resourceType, action }: (typeof pairs)[number]) => `${resourceType}\n${action}`
    return yield* pageOf(byPlace(pairs, placeOf), placeOf, wishes, (pair) => {
      const decision = decideWhoeverSignedIn(state, { ...request, ...pair }, time)
      return decision.decision === 'permit' ? { ...pair, decision } : undefined
    })
  }

/** A described record. */
export interface AbleResource {
  readonly resource: ResourceState
  readonly decision: AccessDecision
}

/** As a check has it: a resource of type `patient` is that patient. */
const patientOf = ({ resourceType, record, patient }: ResourceState): Pseudonym | undefined =>
  patient ?? (resourceType === patientResource ? record : undefined)

/** The records of a type that the directory describes, in order of pseudonym. */
export const whatResources = (request: Omit<AccessRequest, 'record' | 'patient'>, wishes: PageWishes): Steps<Page<AbleResource>> =>
  function* (state: ClinicState, time: number) {
    const candidates = [...state.directory.resources.values()].filter(({ resourceType }) => resourceType === request.resourceType)
    const placeOf = ({ record }: ResourceState) => record
    return yield* pageOf(byPlace(candidates, placeOf), placeOf, wishes, (resource) => {
      const { record } = resource
      const patient = patientOf(resource)
      const decision = decideWhoeverSignedIn(state, { ...request, record, ...(patient === undefined ? {} : { patient }) }, time)
      return decision.decision === 'permit' ? { resource, decision } : undefined
    })
  }

export interface WhatCanQuestion extends ListRequest {
  readonly list: 'actions' | 'resources'
  /** For actions the action has no name; for resources the resource has no id; an empty id or type: none in particular. */
  readonly question: Omit<Question, 'requestId' | 'clinic' | 'reason' | 'intent' | 'session'>
}

/** Something that the subject could do. */
export interface AbleShown {
  readonly action: string
  readonly resource: { readonly type: string; readonly id: string; readonly patientId: string }
  readonly decision: AccessDecision
}

export interface WhatCanOptions {
  readonly ledger: Pick<Ledger, 'find'>
  readonly identities: Identities
  readonly readPage: ReadPage
}

/**
 * Answers in pages; that somebody looked is recorded before. Records whose identifier cannot be opened any more stand in their place by
 * pseudonym, marked so: nothing is left out.
 */
export type WhatCan = (
  context: CallContext,
  question: WhatCanQuestion,
) => Promise<Omit<ListedPage<unknown>, 'found'> & { readonly able: readonly AbleShown[] }>

export const createWhatCan = ({ ledger, identities, readPage }: WhatCanOptions): WhatCan => {
  const requestFor = (context: CallContext, { vault }: ClinicView, { question }: WhatCanQuestion): AccessRequest => {
    const { caller } = context
    const request = accessRequestOf(vault, question, { caller: caller.id, override: caller.scopes.has('directory.override') })
    if (question.resource.id !== '') return request
    const { record: _, ...rest } = request
    return rest
  }

  const notesFor =
    ({ list, question: { subject, action, resource } }: WhatCanQuestion) =>
    (state: ClinicState, vault: ClinicVault) =>
      whatCanNotes(state, {
        subject: vault.pseudonym({ kind: 'subject', type: subject.type, id: subject.id }),
        list,
        resourceType: resource.type,
        action: action.name,
      })

  const openIds = async ({ clinic, vault }: ClinicView, resources: readonly ResourceState[]): Promise<ReadonlyMap<Pseudonym, string>> => {
    const entries = await ledger.find(
      clinic,
      resources.map(({ entryId }) => entryId),
    )
    const ids = new Map<Pseudonym, string>()
    await Promise.all(
      resources.map(async ({ record, entryId }) => {
        const entry = entries.get(entryId)
        const sealed = entry === undefined ? undefined : (openEnvelope(entry.bytes).data.sealed as Sealed | undefined)
        if (entry === undefined || sealed === undefined) return
        const opened = await vault.open(sealed, { clinic, entryId, entryType: entry.type })
        const id = opened.kind === 'opened' ? (opened.value as { readonly resource_id?: string }).resource_id : undefined
        if (id !== undefined) ids.set(record, id)
      }),
    )
    return ids
  }

  const actions: WhatCan = async (context, whole) => {
    const { list: _, question, ...rest } = whole
    const { found, ...page } = await readPage(
      context,
      { ...rest, patientIn: describedPatient(question.resource) },
      (view, wishes) => whatActions(requestFor(context, view, whole), wishes),
      notesFor(whole),
    )
    const { id, patientId } = question.resource
    return {
      ...page,
      able: found.map(({ action, resourceType, decision }) => ({ action, resource: { type: resourceType, id, patientId }, decision })),
    }
  }

  const resources: WhatCan = async (context, whole) => {
    const { list: _, question, ...rest } = whole
    const { found, ...page } = await readPage(
      context,
      rest,
      (view, wishes) => whatResources(requestFor(context, view, whole), wishes),
      notesFor(whole),
    )
    const { clinic, vault } = page.view
    const described = found.map(({ resource }) => resource)
    const ids = await openIds(page.view, described)
    const patients = await identities.resolve(
      clinic,
      vault,
      described.flatMap(({ patient }) => patient ?? []),
    )
    const patientId = (patient: Pseudonym | undefined): string => (patient === undefined ? '' : shownPatient(patient, patients))
    return {
      ...page,
      able: found.map(({ resource: { resourceType, record, patient }, decision }) => ({
        action: question.action.name,
        resource: { type: resourceType, id: ids.get(record) ?? `erased:${record}`, patientId: patientId(patient) },
        decision,
      })),
    }
  }

  return (context, question) => (question.list === 'actions' ? actions : resources)(context, question)
}
