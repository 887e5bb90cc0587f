// MQTT.js over TLS, see tls_tools.py: PORT TOPIC CA [CERTIFICATE KEY].
//
// Subscribes to TOPIC/in, says "ready", publishes "from TLS" to TOPIC/out, says "heard ..." of the
// first message and ends.
'use strict'

const fs = require('fs')
const mqtt = require('mqtt')

const [port, topic, ca, certificate, key] = process.argv.slice(2)
const options = { ca: fs.readFileSync(ca), rejectUnauthorized: true, reconnectPeriod: 0 }
if (certificate) {
  options.cert = fs.readFileSync(certificate)
  options.key = fs.readFileSync(key)
}

const client = mqtt.connect(`mqtts://localhost:${port}`, options)

function fail(why) {
  console.log(`FAILED ${why}`)
  process.exit(1)
}

client.on('error', (error) => fail(error.message))
client.on('message', (_topic, payload) => {
  console.log(`heard ${payload}`)
  client.end(false, () => process.exit(0))
})
client.on('connect', () => {
  client.subscribe(`${topic}/in`, { qos: 1 }, (error) => {
    if (error) fail(error.message)
    console.log('ready')
    client.publish(`${topic}/out`, 'from TLS', { qos: 1 })
  })
})
setTimeout(() => fail('nothing heard within 15 s'), 15000)
