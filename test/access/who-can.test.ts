/** WhoCan and WhatCan against asking one by one. */
import fc from 'fast-check'
import t from 'tap'
import { type AccessRequest, decide } from '../../services/access/decide.ts'
import type { Page, PageWishes } from '../../services/access/listing/page.ts'
import type { Steps } from '../../services/access/pinned-reading.ts'
import type { ClinicState } from '../../services/access/state.ts'
import { whatActions, whatResources } from '../../services/access/what-can.ts'
import { whoCan } from '../../services/access/who-can.ts'
import { clinicOf, type Happening, happenings, moments, requests } from '../support/arbitrary-clinic.ts'
import { type ClinicFold, createClinicFold, noon, patient, permission, question, record, role, staff } from '../support/clinic-fold.ts'
import { finish } from '../support/finish.ts'

/** Every page, of whatever size. */
const all = <Found>(list: (wishes: PageWishes) => Steps<Page<Found>>, state: ClinicState, now: number, size: number): readonly Found[] => {
  const found: Found[] = []
  let after: string | undefined
  do {
    const page = finish(list({ after, size })(state, now))
    if (page.found.length > size) throw new Error('a page is too long')
    if (page.next !== undefined && page.found.length < size) throw new Error('a page that is not the last is not full')
    found.push(...page.found)
    after = page.next
  } while (after !== undefined)
  return found
}

/** A clinic to which anything may have happened, and where many may read besides. */
const generous = (story: readonly Happening[]): ClinicFold => {
  const clinic = clinicOf(story)
  clinic.define(role('reader', [permission('imaging', 'read'), permission('invoice', '*', { purposes: ['TREAT'] })]))
  for (const { reference } of [...clinic.state.subjects.values()].slice(0, 3)) clinic.grant(reference, 'reader')
  for (const id of ['7', '8', '9']) {
    clinic.apply('chartwarden.resource.described.v1', {
      resource_type: 'imaging',
      record: record('imaging', id),
      ...(id === '9' ? {} : { patient: patient('a') }),
      confidentiality: id === '8' ? 'R' : 'N',
      sensitivities: [],
      properties: {},
    })
  }
  return clinic
}

/** As a check of somebody who has just signed in. */
const couldNow = (state: ClinicState, request: AccessRequest, now: number): boolean =>
  decide(state, { ...request, session: { issuedAt: now + 1_000_000 } }, now).decision === 'permit'

const sizes = fc.integer({ min: 1, max: 3 })

t.test('who can is everybody whom a check would permit, once and in pages of any size', async (t) => {
  let able = 0
  fc.assert(
    fc.property(happenings(), requests, moments, sizes, (story, request, now, size) => {
      const { state } = generous(story)
      const { subject: _, session: __, ...asked } = request
      const found = all((wishes) => whoCan(asked, '', wishes), state, now, size).map(({ subject }) => subject.pseudonym)
      const expected = [...state.subjects.values()]
        .filter(({ reference }) => couldNow(state, { ...asked, subject: reference }, now))
        .map(({ reference }) => reference.pseudonym)
        .sort()
      able += found.length
      return found.join() === expected.join()
    }),
    { numRuns: 400 },
  )
  t.ok(able > 100, `${able} answers`)
})

t.test('what can is every pair of type and action that a check would permit', async (t) => {
  let able = 0
  fc.assert(
    fc.property(happenings(), requests, moments, sizes, (story, request, now, size) => {
      const { state } = generous(story)
      const { action: _, ...asked } = request
      const found = all((wishes) => whatActions({ ...asked, resourceType: '' }, wishes), state, now, size)
      const named = (key: 'resource_type' | 'actions') =>
        [...state.roles.definitions.values()].flatMap(({ permissions }) => permissions.flatMap((one) => one[key]))
      const wide = (names: readonly string[], more: readonly string[]) => [
        ...new Set([...names.filter((name) => name !== '*'), ...(names.includes('*') ? more : [])]),
      ]
      const described = [...state.directory.resources.values()].map(({ resourceType }) => resourceType)
      const expected = wide(named('resource_type'), described).flatMap((resourceType) =>
        wide(named('actions'), ['create', 'delete', 'export', 'read', 'share', 'update'])
          .filter((action) => couldNow(state, { ...asked, resourceType, action }, now))
          .map((action) => `${resourceType} ${action}`),
      )
      able += found.length
      return found.map(({ resourceType, action }) => `${resourceType} ${action}`).join() === expected.sort().join()
    }),
    { numRuns: 400 },
  )
  t.ok(able > 100, `${able} answers`)
})

t.test('what can lists every described record that a check would permit', async (t) => {
  let able = 0
  fc.assert(
    fc.property(happenings(), requests, moments, sizes, (story, request, now, size) => {
      const { state } = generous(story)
      const { record: _, patient: __, ...asked } = request
      const found = all((wishes) => whatResources(asked, wishes), state, now, size).map((one) => one.resource.record)
      const expected = [...state.directory.resources.values()]
        .filter(({ resourceType }) => resourceType === asked.resourceType)
        .filter(({ record, patient }) => couldNow(state, { ...asked, record, ...(patient === undefined ? {} : { patient }) }, now))
        .map(({ record }) => record)
        .sort()
      able += found.length
      return found.join() === expected.join()
    }),
    { numRuns: 600 },
  )
  t.ok(able > 100, `${able} answers`)
})

const crowd = (size: number): ClinicFold => {
  const clinic = createClinicFold()
  clinic.define(role('viewer', [permission('imaging', 'read')]))
  for (let index = 0; index < size; index += 1) {
    clinic.enrol(staff(`s-${index}`))
    clinic.grant(staff(`s-${index}`), 'viewer')
  }
  return clinic
}

t.test('a page of thousands of subjects can be interrupted after each of them', async (t) => {
  const { state } = crowd(3_000)
  const { subject: _, ...asked } = question(staff(''), 'imaging', 'read')
  const work = whoCan(asked, '', { after: undefined, size: 1_000 })(state, noon)
  let interruptions = 0
  while (work.next().done !== true) interruptions += 1
  t.ok(interruptions >= 1_000, `${interruptions} places`)
})

t.test('a role for every action gives the common actions, and only types that are known somewhere', async (t) => {
  const clinic = createClinicFold()
  clinic.define(role('all', [permission('*', '*')]))
  clinic.enrol(staff('anna'))
  clinic.grant(staff('anna'), 'all')
  const { action: _, ...asked } = question(staff('anna'), 'imaging', 'read')
  t.same(
    all((wishes) => whatActions(asked, wishes), clinic.state, noon, 10).map(({ action }) => action),
    ['create', 'delete', 'export', 'read', 'share', 'update'],
  )
  t.same(
    all((wishes) => whatActions({ ...asked, resourceType: '' }, wishes), clinic.state, noon, 10),
    [],
  )
})
