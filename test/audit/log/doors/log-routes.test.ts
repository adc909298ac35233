import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { formatBundle } from '../../../../services/audit/log/entry-bundle.ts'
import { ChartwardenError } from '../../../../services/kernel/errors.ts'
import { logDoor } from '../../../support/log-door.ts'
import { memoryLog } from '../../../support/memory-log.ts'
import { unzipped } from '../../../support/tlog-client.ts'
import { waitFor } from '../../../support/wait-for.ts'

const reasonOf = async (answer: Response): Promise<string> =>
  answer.headers.get('content-type')?.startsWith('application/problem+json')
    ? ((await answer.json()) as { readonly reason: string }).reason
    : `${answer.status}`

t.test('a client that knows the formats alone rebuilds every tree from 0 to 300 entries, from tiles and from entries', async (t) => {
  const log = memoryLog()
  log.add(301)
  const door = await logDoor(t, log)
  const client = await door.connect()
  t.equal(await reasonOf(await client.get('checkpoint')), 'NOT_PUBLISHED', 'size 0')
  t.equal(await reasonOf(await client.get('tile/0/000.p/1')), 'NOT_PUBLISHED')
  for (let size = 1; size <= 300; size += 1) {
    log.publish(size)
    const head = await client.checkpoint(log.vkey())
    if (head.size !== size || !head.root.equals(log.root(size))) t.fail(`the checkpoint of size ${size}`)
    if (!(await client.rootOfTiles(size)).equals(head.root)) t.fail(`the tiles of size ${size}`)
    if (!(await client.rootOfEntries(size)).equals(head.root)) t.fail(`the entries of size ${size}`)
    for (const tooMuch of [
      `tile/0/00${size < 255 ? 0 : 1}.p/${(size + 1) % 256}`,
      `tile/entries/00${size < 255 ? 0 : 1}.p/${(size + 1) % 256}`,
    ]) {
      if (size !== 255 && (await client.get(tooMuch)).status !== 404) t.fail(`${tooMuch} at size ${size}`)
    }
  }
  t.strictSame(door.damages, [])
  t.equal(door.readings.length, 1, 'one caller, one clinic, one hour')
  log.editTile({ level: 0, index: 0n }, (hashes) => hashes.fill(7, 0, 1))
  door.published.damaged('north', 'twin')
  await t.rejects(client.rootOfTiles(300), /hash 0 of level 1 differs/, 'twin: a tile that was edited')
})

t.test('and a tree of 70,000 entries, with two levels of tiles above the leaves', async (t) => {
  const log = memoryLog()
  log.add(70_000, 4)
  log.publish()
  const door = await logDoor(t, log)
  const client = await door.connect()
  const { size, root } = await client.checkpoint(log.vkey())
  t.equal(size, 70_000)
  t.ok((await client.rootOfTiles(size)).equals(root))
  t.ok((await client.rootOfEntries(size)).equals(root))
  t.equal((await client.fetch('tile/2/000.p/1')).length, 32)
  t.equal((await client.fetch('tile/1/001.p/17')).length, 17 * 32)
  t.equal((await client.fetch('tile/0/273.p/112')).length, 112 * 32)
  for (const path of ['tile/1/001.p/18', 'tile/2/000.p/2', 'tile/3/000.p/1', 'tile/0/273', 'tile/0/274.p/1', 'tile/63/000.p/1']) {
    t.equal(await reasonOf(await client.get(path)), 'TILE_UNKNOWN', path)
  }
})

t.test('a full tile answers every width below its own, and nothing that is not published yet', async (t) => {
  const log = memoryLog()
  log.add(600)
  log.publish(300)
  const door = await logDoor(t, log)
  const client = await door.connect()
  const [tile, bundle] = [await client.fetch('tile/0/000'), await client.fetch('tile/entries/000')]
  t.ok(tile.equals(log.tree().tile({ level: 0, index: 0n }, 300n).hashes))
  t.ok(bundle.equals(formatBundle(log.entries.slice(0, 256).map(({ bytes }) => bytes))))
  for (let width = 1; width <= 255; width += 1) {
    if (!(await client.fetch(`tile/0/000.p/${width}`)).equals(tile.subarray(0, width * 32))) t.fail(`width ${width}`)
    if (!bundle.subarray(0, 1 + width).equals((await client.fetch(`tile/entries/000.p/${width}`)).subarray(0, 1 + width)))
      t.fail(`bundle ${width}`)
  }
  t.ok((await client.fetch('tile/0/001.p/44')).length === 44 * 32)
  for (const path of [
    'tile/0/001.p/45',
    'tile/0/001',
    'tile/entries/001.p/45',
    'tile/entries/001',
    'tile/0/002.p/1',
    'tile/1/000.p/2',
    'tile/1/000',
  ]) {
    t.equal(await reasonOf(await client.get(path)), 'TILE_UNKNOWN', `${path} is in the tree and not published`)
  }
  log.publish(600)
  t.equal((await client.fetch('tile/0/001')).length, 8_192, 'twin: once it is published')
  t.equal((await client.fetch('tile/1/000.p/2')).length, 64)
})

t.test('what is malformed, foreign or not allowed is refused with its problem, row by row', async (t) => {
  const log = memoryLog()
  log.add(300)
  log.publish()
  const door = await logDoor(t, log)
  const address = await door.start()
  const rows: readonly (readonly [path: string, reason: string, claims?: object])[] = [
    ...[
      'tile/0/0',
      'tile/0/00',
      'tile/0/0000',
      'tile/0/000/',
      'tile/0//000',
      'tile/0/000.p',
      'tile/0/000.p/',
      'tile/0/000.p/0',
      'tile/0/000.p/256',
      'tile/0/000.p/01',
      'tile/0/000.p/-1',
      'tile/0/000.p/1/1',
      'tile/0/000.q/1',
      'tile/0/x000/001',
      'tile/0/001/000',
      'tile/0/x001',
      'tile/00/000',
      'tile/64/000',
      'tile/-1/000',
      'tile/0',
      'tile/',
      'tile/entries/0',
      'tile/Entries/000',
      'tile/entries/000.p/256',
      'tile/entries/x000/000',
      'tile/0/%30%30%30',
      'tile/0/00%30',
      'tile/0/+00',
      'tile/0/x999/x999/x999/x999/x999/x999/999',
      `tile/0/${'x001/'.repeat(40)}000`,
      'tile/0/000?'.replace('?', '%3F'),
      'tile/checkpoint',
    ].map((path) => [path, 'INVALID_ARGUMENT'] as const),
    ['tile/0/002.p/1', 'TILE_UNKNOWN'],
    ['tile/0/x018/x446/x744/x073/x709/551', 'TILE_UNKNOWN'],
    ['tile', 'ROUTE_UNKNOWN'],
    ['', 'ROUTE_UNKNOWN'],
    ['Checkpoint', 'ROUTE_UNKNOWN'],
    ['checkpoint/', 'ROUTE_UNKNOWN'],
    ['1/checkpoint', 'ROUTE_UNKNOWN'],
    ['2/checkpoint', 'ROUTE_UNKNOWN'],
    ['2/tile/0/000', 'ROUTE_UNKNOWN'],
    ['x/tile/0/000', 'ROUTE_UNKNOWN'],
    ...['checkpoint', 'tile/0/000', 'tile/entries/000', 'tile/0/nonsense'].flatMap(
      (path) =>
        [
          [path, 'CLINIC_NOT_ALLOWED', { clinic: 'south' }],
          [path, 'SCOPE_MISSING', { scope: 'audit.read report.read' }],
          [path, 'TOKEN_EXPIRED', { exp: 1 }],
        ] as const,
    ),
    ['tile/entries/000', 'PERSON_REQUIRED', { scope: 'ledger.verify act' }],
    ['tile/0/000', '200', { scope: 'ledger.verify act' }],
    ['checkpoint', '200', { scope: 'ledger.verify act' }],
    ['tile/0/000?anything', '200'],
    ['tile/entries/000', '200'],
  ]
  for (const [path, reason, claims = {}] of rows) {
    const answer = await fetch(`${address}/${path}`, { headers: { authorization: `Bearer ${door.token({ ...claims })}` } })
    t.equal(await reasonOf(answer), reason, `${path} ${JSON.stringify(claims)}`)
    if (answer.status !== 200) t.equal(answer.headers.get('cache-control'), 'no-store', `${path}: a refusal is not kept`)
  }
  t.equal(await reasonOf(await fetch(`${address}/tile/0/000`)), 'TOKEN_MISSING')
  const unknown = await fetch(`${address.replace('north', 'south')}/checkpoint`, {
    headers: { authorization: `Bearer ${door.token({ clinic: 'south' })}` },
  })
  t.equal(await reasonOf(unknown), '200', 'this log in memory asks for no clinic')
  const posted = await fetch(`${address}/tile/0/000`, { method: 'POST', headers: { authorization: `Bearer ${door.token()}` } })
  t.equal(await reasonOf(posted), 'METHOD_NOT_ALLOWED')
  t.equal(posted.headers.get('allow'), 'GET, HEAD')
  const cross = door.refusals.filter(({ reason }) => reason === 'CLINIC_NOT_ALLOWED')
  t.equal(cross.length, 4)
  t.match(cross[0], { caller: 'practice-software', clinic: 'north' }, 'the operator sees who reached for which clinic')
  t.match(
    door.refusals.find(({ reason }) => reason === 'SCOPE_MISSING'),
    { clinic: 'north' },
    "and the clinic's ledger takes the scope that was missing",
  )
})

t.test('a clinic without a log is not told from one that is not there', async (t) => {
  const log = memoryLog()
  log.add(3)
  log.forget()
  const door = await logDoor(t, log)
  const address = await door.start()
  const ask = async (clinic: string) =>
    reasonOf(
      await fetch(`${address.replace('north', clinic)}/checkpoint`, { headers: { authorization: `Bearer ${door.token({ clinic })}` } }),
    )
  t.equal(await ask('north'), 'NOT_PUBLISHED')
  t.equal(await ask('nowhere'), 'CLINIC_NOT_ALLOWED')
  const off = await logDoor(t, log, { signs: false })
  t.equal(await reasonOf(await (await off.connect(off.token())).get('checkpoint')), 'LOG_OFF')
})

t.test('caches keep tiles for ever and checkpoints for seconds, and never for others', async (t) => {
  const log = memoryLog()
  log.add(300)
  log.publish()
  const client = await (await logDoor(t, log)).connect()
  const checkpoint = await client.get('checkpoint')
  t.equal(checkpoint.headers.get('content-type'), 'text/plain; charset=utf-8')
  t.equal(checkpoint.headers.get('cache-control'), 'private, max-age=2')
  for (const path of ['tile/0/000', 'tile/0/001.p/44', 'tile/entries/000', 'tile/entries/000.p/3']) {
    const answer = await client.get(path)
    t.equal(answer.headers.get('content-type'), 'application/octet-stream')
    t.equal(answer.headers.get('cache-control'), 'private, max-age=31536000, immutable')
    t.equal(answer.headers.get('x-content-type-options'), 'nosniff')
    const body = Buffer.from(await answer.arrayBuffer())
    const tag = String(answer.headers.get('etag'))
    for (const known of [tag, `"other", W/${tag}`, '*']) {
      const again = await client.get(path, { 'if-none-match': known })
      t.equal(again.status, 304, `${path} ${known}`)
      t.equal(again.headers.get('etag'), tag)
      t.equal(again.headers.get('cache-control'), 'private, max-age=31536000, immutable')
      t.equal((await again.arrayBuffer()).byteLength, 0)
    }
    t.ok(Buffer.from(await (await client.get(path, { 'if-none-match': '"other"' })).arrayBuffer()).equals(body), 'twin: another tag')
  }
  const head = await fetch(`${client.address}/tile/0/000`, { method: 'HEAD', headers: client.headers })
  t.strictSame([head.status, head.headers.get('content-length'), (await head.arrayBuffer()).byteLength], [200, '8192', 0])
  log.add(1)
  log.publish()
  const tag = String(checkpoint.headers.get('etag'))
  t.equal((await client.get('checkpoint', { 'if-none-match': tag })).status, 200, 'a checkpoint that has changed is sent')
})

t.test('bundles are compressed where asked, under a tag of their own; hashes never are', async (t) => {
  const log = memoryLog()
  log.add(256)
  log.publish()
  const door = await logDoor(t, log)
  await door.start()
  const inject = (path: string, encoding: string) =>
    door.server.inject({
      url: `/v1/clinics/north/log/${path}`,
      headers: { authorization: `Bearer ${door.token()}`, 'accept-encoding': encoding },
    })
  const plain = await inject('tile/entries/000', 'identity')
  t.equal(plain.headers['content-encoding'], undefined)
  t.equal(plain.headers.vary, 'accept-encoding')
  const zipped = await inject('tile/entries/000', 'br;q=1.0, gzip;q=0.8')
  t.equal(zipped.headers['content-encoding'], 'gzip')
  t.ok(unzipped(zipped.rawPayload).equals(plain.rawPayload))
  t.ok(zipped.rawPayload.length < plain.rawPayload.length)
  t.not(zipped.headers.etag, plain.headers.etag)
  for (const none of ['gzip;q=0', 'br', '', 'identity, gzip;q=0.1']) {
    t.equal((await inject('tile/entries/000', none)).headers['content-encoding'], undefined, none)
  }
  t.equal((await inject('tile/0/000', 'gzip')).headers['content-encoding'], undefined)
})

t.test('the first bundle of an hour is a reading, recorded before it leaves; tiles and checkpoints are none', async (t) => {
  const log = memoryLog()
  log.add(300)
  log.publish()
  let fails: ChartwardenError | undefined = new ChartwardenError('LEDGER_UNAVAILABLE')
  const door = await logDoor(t, log, {
    recordReading: async () => {
      if (fails !== undefined) throw fails
    },
  })
  const client = await door.connect()
  await client.fetch('checkpoint')
  await client.fetch('tile/0/000')
  t.strictSame(door.readings, [])
  t.equal(await reasonOf(await client.get('tile/entries/000')), 'LEDGER_UNAVAILABLE', 'nothing leaves that could not be recorded')
  fails = undefined
  t.equal(await reasonOf(await client.get('tile/entries/009')), 'TILE_UNKNOWN')
  t.strictSame(door.readings, [], 'what shows nothing is no reading')
  await Promise.all(['tile/entries/000', 'tile/entries/000.p/7', 'tile/entries/001.p/44'].map((path) => client.fetch(path)))
  t.strictSame(door.readings, [{ caller: 'practice-software', clinic: 'north' }], 'at once, and one reading')
  door.clock.advance(3_599_999)
  const [other, later] = [door.token({ sub: 'auditor', exp: 9_999_999_999 }), door.token({ exp: 9_999_999_999 })]
  const fetchAs = (bearer: string) =>
    door.server.inject({ url: '/v1/clinics/north/log/tile/entries/000', headers: { authorization: `Bearer ${bearer}` } })
  await fetchAs(later)
  t.equal(door.readings.length, 1)
  await fetchAs(other)
  t.equal(door.readings.length, 2, 'another caller is another reading')
  door.clock.advance(1)
  await fetchAs(later)
  t.equal(door.readings.length, 3, 'and so is another hour')
})

t.test('a log that began anew has another address, so that no cache mixes the two', async (t) => {
  const log = memoryLog()
  log.add(300)
  log.publish()
  const door = await logDoor(t, log)
  const client = await door.connect()
  await client.fetch('tile/0/000')
  log.restart()
  t.equal(await reasonOf(await client.get('tile/0/000')), 'ROUTE_UNKNOWN')
  t.equal(await reasonOf(await client.get('checkpoint')), 'NOT_PUBLISHED')
  log.publish()
  const head = await client.checkpoint(log.vkey())
  t.equal(head.origin, 'log.example/v1/clinics/north/log/2', 'the checkpoint says where it is now')
  t.equal((await client.fetch('2/tile/0/000')).length, 8_192)
  t.equal((await client.fetch('2/checkpoint')).toString(), (await client.fetch('checkpoint')).toString())
  for (const path of ['tile/0/000', 'tile/entries/000', '3/tile/0/000', '1/tile/0/000', '02/tile/0/000']) {
    t.equal(await reasonOf(await client.get(path)), 'ROUTE_UNKNOWN', path)
  }
})

t.test('what is stored and is not what was signed is told, and nothing is sent', async (t) => {
  const log = memoryLog()
  log.add(300)
  log.publish()
  const door = await logDoor(t, log)
  const client = await door.connect()
  log.editTile({ level: 0, index: 1n }, () => undefined)
  t.equal(await reasonOf(await client.get('tile/0/001.p/44')), 'LOG_DAMAGED')
  log.editTile({ level: 0, index: 1n }, (hashes) => hashes.subarray(0, 320))
  t.equal(await reasonOf(await client.get('tile/0/001.p/44')), 'LOG_DAMAGED', 'one that is too narrow')
  log.mendTiles()
  await client.fetch('tile/0/001.p/44')
  const [dropped] = log.entries.splice(299, 1)
  t.equal(await reasonOf(await client.get('tile/entries/001.p/44')), 'LOG_DAMAGED', 'an entry that is not there')
  if (dropped !== undefined) log.entries.push(dropped)
  await client.fetch('tile/entries/001.p/44')
  log.editCheckpoint((checkpoint) => ({ ...checkpoint, size: 299n }))
  t.equal(await reasonOf(await client.get('checkpoint')), 'LOG_DAMAGED', 'a row that says another size than its note')
  log.editCheckpoint((checkpoint) => ({ ...checkpoint, note: checkpoint.note.replace('\n299\n', '\n300\n'), size: 300n }))
  await client.fetch('checkpoint')
  log.editCheckpoint((checkpoint) => ({ ...checkpoint, note: checkpoint.note.replace('\n300\n', '\n299\n'), size: 299n }))
  t.equal(await reasonOf(await client.get('checkpoint')), 'LOG_DAMAGED', 'a note that was edited')
  t.equal(door.damages.length, 5)
  t.match(door.damages[0], { clinic: 'north', what: /tile\/0\/001/ })
})

t.test('a reader that takes nothing keeps the places of its own clinic alone, and is cut in the end', async (t) => {
  const log = memoryLog()
  log.add(256, 30_000)
  log.publish()
  const door = await logDoor(t, log, { clinicPlaces: 1 })
  const address = new URL(await door.start())
  const socket = connect(Number(address.port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.pause()
  socket.write(`GET ${address.pathname}/tile/entries/000 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${door.token()}\r\n\r\n`)
  await waitFor('the reading', () => door.readings.length === 1)
  let answered = false
  const headers = { authorization: `Bearer ${door.token()}` }
  const second = fetch(`${address.href}/tile/entries/000.p/1`, { headers }).finally(() => {
    answered = true
  })
  await waitFor('the answer on its way', () => door.timers.pending().includes(60_000))
  for (let count = 0; count < 20; count += 1) t.equal((await fetch(`${address.href}/tile/0/000`, { headers })).status, 200)
  t.notOk(answered, 'a bundle of the same clinic waits; its tiles do not')
  door.timers.runAll()
  t.equal((await second).status, 200, 'whoever waited has the place of the one that was cut')
  socket.resume()
  await once(socket, 'close')
})
