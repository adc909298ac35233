/** AwaitReceipt over both doors: it waits as long as its caller does. */
import t from 'tap'
import { AuditService } from '../../../../proto/gen/chartwarden/audit/v1/audit_service_pb.js'
import { createGrpcClient } from '../../../../services/kernel/grpc/client.ts'
import { implement } from '../../../../services/kernel/grpc/implement.ts'
import { caught } from '../../../support/caught.ts'
import { grpcDoor } from '../../../support/grpc-door.ts'
import { logDoor, servedLog } from '../../../support/log-door.ts'
import { memoryLog } from '../../../support/memory-log.ts'
import { refusingAudit } from '../../../support/stream-service.ts'
import { checkReceipt } from '../../../support/tlog-client.ts'
import { waitFor } from '../../../support/wait-for.ts'

const unpublished = () => {
  const log = memoryLog()
  log.add(200)
  log.publish(2)
  return log
}

t.test('over gRPC: answered once it is published, ended by deadline and cancellation, and nothing is left', async (t) => {
  const log = unpublished()
  const door = await grpcDoor(t, { services: [implement(AuditService, { ...refusingAudit, ...servedLog(log).handlers })] })
  const client = createGrpcClient(AuditService, { address: door.address, token: door.token({ scope: 'ledger.verify' }) })
  t.teardown(() => client.disconnect())
  const ask = (revision: bigint, options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {}) =>
    client.awaitReceipt({ clinic: 'north', key: { case: 'revision', value: revision } }, options)

  t.equal((await caught(ask(9n, { timeoutMs: 300 }))).reason, 'DEADLINE_EXCEEDED')
  await waitFor('the wait to be given up', () => log.waiting() === 0)
  const gone = new AbortController()
  const cancelled = ask(9n, { signal: gone.signal })
  await waitFor('the wait', () => log.waiting() === 1)
  gone.abort()
  await t.rejects(cancelled)
  await waitFor('the wait to be given up', () => log.waiting() === 0)

  const all = Promise.all(Array.from({ length: 100 }, (_, count) => ask(BigInt(50 + count), { timeoutMs: 60_000 })))
  await waitFor('all to wait', () => log.waiting() === 100)
  const { checkpoint } = log.calls
  log.publish()
  const receipts = await all
  t.ok(receipts.every(({ receipt }, count) => checkReceipt(receipt, log.bytes(50 + count), log.vkey())))
  t.ok(log.calls.checkpoint - checkpoint < 10, `${log.calls.checkpoint - checkpoint} looks for a hundred`)
})

t.test('over HTTP: the same', async (t) => {
  const log = unpublished()
  const door = await logDoor(t, log, { maxCalls: 400 })
  const address = (await door.start()).replace(/log$/, 'audit/await-receipt')
  const ask = (revision: number, headers: Readonly<Record<string, string>> = {}, signal?: AbortSignal) =>
    fetch(address, {
      method: 'POST',
      headers: { authorization: `Bearer ${door.token()}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ revision: String(revision) }),
      ...(signal === undefined ? {} : { signal }),
    })
  const late = ask(9, { 'grpc-timeout': '7S' })
  await waitFor('the wait', () => log.waiting() === 1)
  door.timers.runAll()
  t.match(await (await late).json(), { status: 504, reason: 'DEADLINE_EXCEEDED' })
  await waitFor('the wait to be given up', () => log.waiting() === 0)
  const gone = new AbortController()
  const cancelled = ask(9, {}, gone.signal)
  await waitFor('the wait', () => log.waiting() === 1)
  gone.abort()
  await t.rejects(cancelled)
  await waitFor('the wait to be given up', () => log.waiting() === 0)
  const waiting = Array.from({ length: 60 }, (_, count) => ask(50 + count))
  await waitFor('all to wait', () => log.waiting() === 60)
  log.publish()
  for (const [count, answer] of (await Promise.all(waiting)).entries()) {
    const { receipt } = (await answer.json()) as { readonly receipt: string }
    if (!checkReceipt(receipt, log.bytes(50 + count), log.vkey())) t.fail(`the receipt of ${50 + count}`)
  }
  t.match(await (await ask(500)).json(), { status: 404, reason: 'ENTRY_UNKNOWN' })
})
