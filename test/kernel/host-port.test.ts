import t from 'tap'
import { formatHostPort, isLoopback, parseHostPort } from '../../services/kernel/host-port.ts'

t.test('host and port are read and written back', async (t) => {
  for (const text of ['127.0.0.1:50051', 'localhost:0', '[::1]:8080', 'db-1.example:65535']) {
    const address = parseHostPort(text)
    t.equal(address && formatHostPort(address), text)
  }
  for (const text of ['', ':80', 'host', 'host:', 'host:65536', 'host:-1', 'a b:1', '::1:80', '[::1]', 'http://h:1', 'h:1/x', 'h:1 ']) {
    t.equal(parseHostPort(text), undefined, text)
  }
})

t.test('only this machine is loopback', async (t) => {
  for (const host of ['127.0.0.1', '127.255.0.9', '::1', '[::1]', 'localhost', 'LocalHost']) t.ok(isLoopback(host), host)
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example', 'localhost.example', '1127.0.0.1', ''])
    t.notOk(isLoopback(host), host)
})
