import type { Firmware } from './firmware.ts'
import { demand, readSubscription } from './steps.ts'

/** What no client does alone, and every one may. */
export const ANY_CLIENT: Firmware = {
  name: 'any client',
  quirks: () => ({}),
  steps: [
    {
      title: 'asks for what does not exist, and is told so',
      source: 'zone117x/node-stratum-pool lib/stratum.js is silent; oliverw/miningcore is not',
      act: async rig => {
        await rig.connect()
        rig.send(1, 'mining.no_such_method', [])
        const { error, line } = await rig.answerTo(1)
        demand(error !== null && error !== undefined, `no error: ${line}`)
      },
    },
    {
      title: 'subscribes, and submits for a worker that nobody knows: an error',
      source: 'slush0/stratum-mining lib/exceptions.py, code 24',
      act: async rig => {
        rig.send(2, 'mining.subscribe', ['sidepool-doctor/1'])
        readSubscription(rig, await rig.answerTo(2))
        const { extranonce2Bytes } = rig.state
        const params = ['nobody', '0', '00'.repeat(extranonce2Bytes), '00000000', '00000000']
        rig.send(3, 'mining.submit', params)
        const { error, line } = await rig.answerTo(3)
        demand(error !== null && error !== undefined, `no error: ${line}`)
      },
    },
    {
      title: 'pings, and hears something',
      source: 'bitaxeorg/ESP-Miner components/stratum/stratum_api.c',
      act: async rig => {
        rig.send(4, 'mining.ping', [])
        await rig.answerTo(4)
      },
    },
  ],
}
