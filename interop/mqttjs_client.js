'use strict'
// siotd as seen by MQTT.js, in MQTT 3.1, 3.1.1 and 5.0; what it is told to do: see programs.py.

const mqtt = require('mqtt')

const NAMES = { 3: '3.1', 4: '3.1.1', 5: '5.0' }
const PATIENCE_MS = 10000
let failures = 0

function check (name, passed, why) {
  if (!passed) failures++
  console.log(passed ? `ok ${name}` : `FAILED ${name}: ${JSON.stringify(why)}`)
}

function sleep (ms) {
  return new Promise(resolve => setTimeout(resolve, ms))
}

// Whether the condition becomes true in time.
async function until (condition, limitMs = PATIENCE_MS) {
  const due = Date.now() + limitMs
  while (!condition() && Date.now() < due) await sleep(5)
  return Boolean(condition())
}

// A connected client; messages it hears are in client.heard, its CONNACKs in client.connacks.
async function connected (port, version, options = {}) {
  const client = mqtt.connect({
    host: '127.0.0.1',
    port,
    protocolVersion: version,
    protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
    reconnectPeriod: 0,
    connectTimeout: PATIENCE_MS,
    ...options
  })
  client.heard = []
  client.connacks = []
  client.on('message', (topic, payload, packet) => {
    client.heard.push({ topic, payload, packet })
  })
  client.on('connect', packet => client.connacks.push(packet))
  client.on('error', error => { client.lastError = error })
  if (!await until(() => client.connacks.length > 0)) {
    check('connecting', false, String(client.lastError))
    process.exit(1)
  }
  return client
}

async function hear (client, count = 1) {
  await until(() => client.heard.length >= count)
  return client.heard.splice(0, count)
}

function texts (heard) {
  return heard.map(one => one.payload.toString())
}

async function checkEveryVersion (port, prefix, version) {
  const name = `MQTT ${NAMES[version]}`
  const client = await connected(port, version, { clientId: `${prefix}-${version}` })
  for (const qos of [0, 1, 2]) {
    const topic = `${prefix}/${version}/${qos}`
    const [granted] = await client.subscribeAsync(topic, { qos })
    check(`QoS ${qos} is granted, ${name}`, granted.qos === qos, granted)
    const numbers = [...Array(100).keys()].map(String)
    const heard = []
    // The library does not keep to the broker's Receive Maximum, so we do.
    for (let start = 0; start < 100; start += 20) {
      await Promise.all(numbers.slice(start, start + 20).map(number => client.publishAsync(topic, number, { qos })))
      heard.push(...await hear(client, 20))
    }
    check(`100 messages, 20 at a time, come back in order, ${name}, QoS ${qos}`,
      texts(heard).join() === numbers.join() && heard.every(one => one.packet.qos === qos),
      texts(heard))
  }
  await client.publishAsync(`${prefix}/${version}/kept`, 'kept', { qos: 1, retain: true })
  await client.subscribeAsync(`${prefix}/${version}/+`, { qos: 1 })
  const [kept] = await hear(client)
  check(`a retained message comes with its flag, ${name}`,
    kept && kept.payload.toString() === 'kept' && kept.packet.retain, kept)
  await client.publishAsync(`${prefix}/${version}/kept`, '', { qos: 1, retain: true })
  await client.endAsync()
}

async function checkWill (port, prefix, version) {
  const topic = `${prefix}/${version}/will`
  const watcher = await connected(port, version, { clientId: `${prefix}-see${version}` })
  await watcher.subscribeAsync(topic, { qos: 1 })
  const victim = await connected(port, version, {
    clientId: `${prefix}-die${version}`,
    will: { topic, payload: Buffer.from('gone'), qos: 1, retain: false }
  })
  victim.stream.destroy()
  const heard = await hear(watcher)
  check(`a broken connection publishes the will, MQTT ${NAMES[version]}`, texts(heard)[0] === 'gone',
    texts(heard))
  await victim.endAsync(true)
  await watcher.endAsync()
}

// The library reconnects by itself and repeats what was not acknowledged.
async function checkReconnect (port, prefix, version) {
  const topic = `${prefix}/${version}/again`
  const client = await connected(port, version, {
    clientId: `${prefix}-again${version}`,
    clean: false,
    reconnectPeriod: 50,
    properties: version === 5 ? { sessionExpiryInterval: 60 } : undefined
  })
  await client.subscribeAsync(topic, { qos: 2 })
  const sent = []
  for (let number = 0; number < 60; number++) {
    if (number % 20 === 10) client.stream.destroy()
    // What is published while the library reconnects it may give up; it says so by rejecting.
    sent.push(client.publishAsync(topic, String(number), { qos: 2 }).then(() => number, () => -1))
    await sleep(2)
  }
  const done = (await Promise.all(sent)).filter(number => number >= 0)
  await until(() => done.every(number => texts(client.heard).includes(String(number))))
  await sleep(100)
  const heard = texts(client.heard)
  check(`QoS 2 arrives once each although the connection breaks, MQTT ${NAMES[version]}`,
    done.length > 30 && new Set(heard).size === heard.length &&
    done.every(number => heard.includes(String(number))), { done, heard })
  check(`the session is present after each break, MQTT ${NAMES[version]}`,
    version === 3 || (client.connacks.length > 1 &&
      client.connacks.slice(1).every(packet => packet.sessionPresent)), client.connacks)
  await client.endAsync()
}

async function checkFive (port, prefix) {
  const client = await connected(port, 5, { clientId: '', properties: { topicAliasMaximum: 10 }, autoUseTopicAlias: true, autoAssignTopicAlias: true })
  const told = client.connacks[0].properties || {}
  check('a client without an id is told the one it got', Boolean(told.assignedClientIdentifier), told)
  check('the broker takes topic aliases', told.topicAliasMaximum > 0, told)
  const topics = [...Array(5).keys()].map(number => `${prefix}/alias/${number}`)
  await client.subscribeAsync(`${prefix}/alias/#`, { qos: 1, properties: { subscriptionIdentifier: 9 } })
  for (let round = 0; round < 4; round++) {
    for (const topic of topics) await client.publishAsync(topic, topic, { qos: 1 })
  }
  const heard = await hear(client, 20)
  check('aliases in both directions stand for their topics',
    heard.length === 20 && heard.every(one => one.topic === one.payload.toString()),
    heard.map(one => one.topic))
  check('each message tells its subscription', heard.every(one =>
    one.packet.properties.subscriptionIdentifier === 9), heard[0] && heard[0].packet.properties)

  const properties = {
    payloadFormatIndicator: true,
    messageExpiryInterval: 60,
    contentType: 'text/plain',
    responseTopic: 'answer/here',
    correlationData: Buffer.from([0, 255]),
    userProperties: { a: ['1', '2'], b: '3' }
  }
  await client.publishAsync(topics[0], 'x', { qos: 1, properties })
  const [one] = await hear(client)
  const got = one ? one.packet.properties : {}
  check('the message is text as it says', got.payloadFormatIndicator === true, got)
  check('content type and response topic come',
    got.contentType === 'text/plain' && got.responseTopic === 'answer/here', got)
  check('correlation data comes', got.correlationData && got.correlationData.equals(properties.correlationData), got)
  check('user properties come', JSON.stringify(got.userProperties) === JSON.stringify(properties.userProperties), got)
  check('the rest of the lifetime is told', got.messageExpiryInterval >= 50 && got.messageExpiryInterval <= 60, got)

  let refused = null
  await client.subscribeAsync('bad/#/filter').catch(error => { refused = error })
  check('the library itself refuses a bad filter', refused !== null, refused)
  await client.endAsync()
}

async function checkAuthRefused (port) {
  const client = mqtt.connect({
    host: '127.0.0.1',
    port,
    protocolVersion: 5,
    reconnectPeriod: 0,
    clientId: '',
    properties: { authenticationMethod: 'SCRAM-SHA-1', authenticationData: Buffer.from('x') }
  })
  let code = null
  client.on('error', error => { code = error.code })
  await until(() => code !== null)
  check('an authentication method that is not offered is refused with 0x8C', code === 0x8c, code)
  await client.endAsync(true)
}

async function checks (port, prefix) {
  for (const version of [3, 4, 5]) {
    await checkEveryVersion(port, prefix, version)
    await checkWill(port, prefix, version)
    await checkReconnect(port, prefix, version)
  }
  await checkFive(port, prefix)
  await checkAuthRefused(port)
  return failures ? 1 : 0
}

async function sub (port, version, topic, count) {
  const client = await connected(port, version, { clientId: `js-s${version}-${process.pid}` })
  const [granted] = await client.subscribeAsync(topic, { qos: 2 })
  if (granted.qos !== 2) return 1
  client.on('message', (name, payload, packet) => console.log(`${name}|${packet.qos}|${payload}`))
  console.log('ready')
  const all = await until(() => client.heard.length >= count, 40000)
  await client.endAsync()
  return all ? 0 : 1
}

async function pub (port, version, topic, count) {
  const client = await connected(port, version, { clientId: `js-p${version}-${process.pid}` })
  for (const qos of [0, 1, 2]) {
    const numbers = [...Array(count).keys()].map(String)
    await Promise.all(numbers.map(number => client.publishAsync(`${topic}/${qos}`, number, { qos })))
  }
  await client.endAsync()
  return 0
}

async function main (command, port, ...rest) {
  if (command === 'checks') return checks(Number(port), rest[0])
  const [version, topic, count] = rest
  return { sub, pub }[command](Number(port), Number(version), topic, Number(count))
}

main(...process.argv.slice(2)).then(status => { process.exitCode = status }, error => {
  console.log(`FAILED running: ${error.stack}`)
  process.exitCode = 1
})
