import t from 'tap'
import { caught } from '../../support/caught.ts'
import { grpcDoor } from '../../support/grpc-door.ts'
import { httpDoor } from '../../support/http-door.ts'
import { badTokens, goodTokens } from '../../support/token-cases.ts'

const question = { requestId: 'r', clinic: 'north' }

t.test('both doors take the same tokens', async (t) => {
  const [grpc, http] = [await grpcDoor(t), await httpDoor(t)]
  for (const [index, { what }] of goodTokens(http.keys, http.clock.wall()).entries()) {
    const overHttp = goodTokens(http.keys, http.clock.wall())[index]?.token ?? ''
    const overGrpc = goodTokens(grpc.keys, grpc.clock.wall())[index]?.token ?? ''
    t.equal((await http.ask(overHttp)).statusCode, 200, `${what}: HTTP`)
    t.equal((await http.ask(overHttp)).statusCode, 200, `${what}: HTTP, again`)
    t.equal((await grpc.connect(overGrpc).check(question)).requestId, 'r', `${what}: gRPC`)
  }
  t.strictSame([...grpc.refusals, ...http.refusals], [])
})

t.test('both doors refuse the same tokens for the same reason', async (t) => {
  const [grpc, http] = [await grpcDoor(t), await httpDoor(t)]
  const overGrpc = badTokens(grpc.keys, grpc.clock.wall())
  for (const [index, { what, token, reason }] of badTokens(http.keys, http.clock.wall()).entries()) {
    const answer = await http.ask(token)
    t.equal(answer.statusCode, 401, `${what}: HTTP`)
    t.equal(answer.json().reason, reason, `${what}: HTTP`)
    t.equal(answer.headers['www-authenticate'], 'Bearer error="invalid_token"')
    t.notMatch(answer.body, /signature|issuer|audience|kid/, `${what}: says nothing more`)
    t.equal((await caught(grpc.connect(overGrpc[index]?.token ?? '').check(question))).reason, reason, `${what}: gRPC`)
  }
  t.equal(http.refusals.length, overGrpc.length)
  t.strictSame(
    http.refusals.map(({ reason }) => reason),
    grpc.refusals.map(({ reason }) => reason),
  )
})

t.test('a token that expires is refused by both, however often it was taken before', async (t) => {
  const [grpc, http] = [await grpcDoor(t), await httpDoor(t)]
  const [overGrpc, overHttp] = [grpc.token(), http.token()]
  const client = grpc.connect(overGrpc)
  t.equal((await http.ask(overHttp)).statusCode, 200)
  await client.check(question)
  grpc.clock.advance(700_000)
  http.clock.advance(700_000)
  t.equal((await http.ask(overHttp)).json().reason, 'TOKEN_EXPIRED')
  t.equal((await caught(client.check(question))).reason, 'TOKEN_EXPIRED')
})

t.test('no token is the same to both', async (t) => {
  const [grpc, http] = [await grpcDoor(t), await httpDoor(t)]
  const answer = await http.ask()
  t.equal(answer.json().reason, 'TOKEN_MISSING')
  t.equal(answer.headers['www-authenticate'], 'Bearer')
  t.equal((await caught(grpc.connect('').check(question))).reason, 'TOKEN_MISSING')
  t.strictSame(http.refusals, [{ reason: 'TOKEN_MISSING', address: '127.0.0.1' }])
})
