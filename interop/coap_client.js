'use strict'
// siotd as seen by node-coap: node coap_client.js PORT. It does not know Echo, so the port is one
// that believes addresses. Prints "ok NAME" or "FAILED NAME: why" for each check.

const coap = require('coap')

const port = Number(process.argv[2])
const agent = new coap.Agent({ type: 'udp4' })
let failures = 0

function check (name, passed, why) {
  if (!passed) failures++
  console.log(passed ? `ok ${name}` : `FAILED ${name}: ${JSON.stringify(why)}`)
}

function ask (options, payload) {
  return new Promise((resolve, reject) => {
    const request = coap.request({ host: '127.0.0.1', port, agent, ...options })
    request.on('response', resolve)
    request.on('error', reject)
    request.end(payload)
  })
}

function put (pathname, payload, more = {}) {
  return ask({ method: 'PUT', pathname, ...more }, payload)
}

async function values () {
  const json = { options: { 'Content-Format': 'application/json' } }
  let answer = await put('/ps/open/js/a', '{"v":1}', json)
  check('a PUT creates', answer.code === '2.01', answer.code)
  answer = await put('/ps/open/js/a', '{"v":2}', json)
  check('another one changes', answer.code === '2.04', answer.code)
  answer = await ask({ method: 'GET', pathname: '/ps/open/js/a' })
  check('a GET reads it', answer.payload.toString() === '{"v":2}', answer.payload.toString())
  check('with its format', answer.headers['Content-Format'] === 'application/json', answer.headers)
  answer = await put('/ps/open/js/non', '1', { confirmable: false })
  check('one that is not confirmable is answered', answer.code === '2.01', answer.code)
  answer = await ask({ method: 'DELETE', pathname: '/ps/open/js/a' })
  check('a DELETE removes it', answer.code === '2.02', answer.code)
  answer = await ask({ method: 'GET', pathname: '/ps/open/js/a' })
  check('and it is gone', answer.code === '4.04', answer.code)
}

async function blocks () {
  const body = Buffer.alloc(5000, 'block by block ')
  const request = coap.request({ host: '127.0.0.1', port, agent, method: 'PUT', pathname: '/ps/open/js/big' })
  request.setOption('Block1', Buffer.of(0x6))
  const code = await new Promise((resolve, reject) => {
    request.on('response', answer => resolve(answer.code))
    request.on('error', reject)
    request.end(body)
  })
  check('a body in blocks is taken', code === '2.01', code)
  const answer = await ask({ method: 'GET', pathname: '/ps/open/js/big' })
  check('and given in blocks', body.equals(answer.payload), answer.payload.length)
}

async function observing () {
  const stream = await ask({ method: 'GET', pathname: '/ps/open/js/o', observe: true })
  const told = []
  stream.on('data', piece => told.push(piece.toString()))
  for (const value of ['1', '2', '3']) {
    await put('/ps/open/js/o', value)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  const heard = told.filter(piece => piece.length).join(' ')
  check('an observer is told each of three values', heard === '1 2 3', told)
  stream.close()
}

async function main () {
  await values()
  await blocks()
  await observing()
  process.exit(failures ? 1 : 0)
}

main().catch(error => {
  check('running', false, String(error))
  process.exit(1)
})
