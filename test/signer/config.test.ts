import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Psbt, Transaction } from 'bitcoinjs-lib'
import { describe, expect, test } from 'vitest'
import { parseSignerConfig } from '../../src/signer/config.ts'
import { accountDescriptors, readDescriptor, walletKey } from '../../src/signer/descriptor.ts'
import { DESCRIPTORS, SEED } from './world.ts'

const EXAMPLE = readFileSync(join(import.meta.dirname, '../../config/signer.example.json'), 'utf8')

type Json = Record<string, unknown>
/** The example with something done to it. */
function changed(change: (config: Json & { policy: Json }) => void): string {
  const config = JSON.parse(EXAMPLE)
  change(config)
  return JSON.stringify(config)
}

function errorsOf(text: string): string {
  const outcome = parseSignerConfig(text)
  return outcome.kind === 'errors' ? outcome.errors.join('\n') : 'none'
}

describe('the configuration', () => {
  test('of the example is good', () => {
    const outcome = parseSignerConfig(EXAMPLE)
    if (outcome.kind !== 'config') throw new Error(outcome.errors.join())
    expect(outcome.config.policy.bands).toEqual([
      { upTo: 100_000_000n, approvals: 1 },
      { upTo: null, approvals: 2 },
    ])
    expect(outcome.config.policy.operators[0]?.keys[0]?.notAfter).toBe(1_811_808_000_000)
  })

  const operators = JSON.parse(EXAMPLE).policy.operators
  const [alice, bob] = operators
  test.each<[string, Parameters<typeof changed>[0], string]>([
    ['an unknown key', c => Object.assign(c, { limts: {} }), 'limts'],
    ['a missing limit', c => Object.assign(c.policy, { limits: {} }), 'policy.limits.perDaySats'],
    [
      'a key of two people',
      c => Object.assign(c.policy, { operators: [alice, { ...bob, keys: alice.keys }] }),
      'a key stands there twice',
    ],
    [
      'two people of one name',
      c => Object.assign(c.policy, { operators: [alice, { ...bob, alias: 'alice' }] }),
      'an alias stands there twice',
    ],
    [
      "the pool's key as an operator's",
      c =>
        Object.assign(c.policy, {
          auto: { poolKey: alice.keys[0].key, perBatchSats: '1', perDaySats: '1' },
        }),
      "it is an operator's key",
    ],
    [
      'bands that end',
      c => Object.assign(c.policy, { bands: [{ upToSats: '5', approvals: 1 }] }),
      'without a bound',
    ],
    [
      'bands that fall',
      c =>
        Object.assign(c.policy, {
          bands: [
            { upToSats: '5', approvals: 1 },
            { upToSats: '5', approvals: 2 },
            { upToSats: null, approvals: 3 },
          ],
        }),
      'do not rise',
    ],
    [
      'a band that nobody approves',
      c => Object.assign(c.policy, { bands: [{ upToSats: null, approvals: 0 }] }),
      'policy.bands.0.approvals',
    ],
    ['another network', c => Object.assign(c, { network: 'signet' }), 'wallets.hot.descriptor'],
  ])('with %s is refused', (_, change, error) => {
    expect(errorsOf(changed(change))).toContain(error)
  })

  test('that is no JSON is refused', () => {
    expect(errorsOf('{')).toContain('not JSON')
  })
})

describe('payments over Lightning', () => {
  const lnd = { socket: '10.77.0.3:10009', certFile: 'tls.cert', macaroonFile: 'pay.macaroon' }
  const resolver = { address: '127.0.0.1', httpsPort: 8443, caFile: 'ca.pem' }

  test('need an lnd, and reach payees on the Internet', () => {
    const outcome = parseSignerConfig(changed(c => Object.assign(c, { lightning: { lnd } })))
    expect(outcome).toMatchObject({ config: { lightning: { lnd } } })
  })

  test('reach no other server for a payee on any network but regtest', () => {
    const told = changed(c => Object.assign(c, { lightning: { lnd, resolver } }))
    for (const network of ['mainnet', 'testnet4', 'signet'])
      expect(errorsOf(told.replace('"network":"mainnet"', `"network":"${network}"`))).toContain(
        'lightning.resolver: payees are on the Internet, but for regtest',
      )
    const regtest = told.replace('"network":"mainnet"', '"network":"regtest"')
    expect(errorsOf(regtest)).not.toContain('lightning')
  })

  test('open channels to peers that are pinned, from addresses of the network', () => {
    const addresses = ['bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4']
    const peers = [{ publicKey: `02${'aa'.repeat(32)}`, socket: 'peer.example:9735' }]
    const channels = { addresses, peers, feeRateMaxSatPerVb: 50 }
    const told = (over: object) =>
      changed(c => Object.assign(c, { lightning: { lnd, channels: { ...channels, ...over } } }))
    expect(parseSignerConfig(told({}))).toMatchObject({
      config: { channels: { addresses: new Set(addresses), feeRateMax: 50 } },
    })
    const foreign = told({ addresses: ['bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'] })
    expect(errorsOf(foreign)).toContain('lightning.channels.addresses.0: no address of mainnet')
    expect(errorsOf(told({ peers: [] }))).toContain('lightning.channels.peers')
    const without = changed(c => Object.assign(c, { lightning: { lnd } }))
    expect(parseSignerConfig(without)).toMatchObject({ config: { channels: null } })
  })

  test.each<[string, object, string]>([
    ['no macaroon', { lnd: { ...lnd, macaroonFile: undefined } }, 'lightning.lnd.macaroonFile'],
    ['a URL', { lnd: { ...lnd, socket: 'https://lnd:10009' } }, 'lightning.lnd.socket'],
    ['no port', { lnd: { ...lnd, socket: 'lnd' } }, 'lightning.lnd.socket'],
    ['a key unknown', { lnd, isAllowed: 'all' }, 'isAllowed'],
    ['a name', { lnd, resolver: { ...resolver, address: 'localhost' } }, 'no address'],
  ])('are refused with %s', (_, lightning, error) =>
    expect(errorsOf(changed(c => Object.assign(c, { lightning })))).toContain(error),
  )
})

describe('a descriptor', () => {
  const key = (seed: number, at = '48h/1h/0h/2h') => {
    const { wpkh } = accountDescriptors(new Uint8Array(32).fill(seed), 'regtest')
    return wpkh.slice('wpkh('.length, -1).replace('84h/1h/0h', at)
  }
  const reason = (text: string) => {
    const read = readDescriptor(text, 'regtest')
    return read.kind === 'descriptor' ? 'descriptor' : read.reason
  }

  test('of a private key, of one chain, wrapped or misspelt is refused', () => {
    const { wpkh } = DESCRIPTORS
    expect(reason(wpkh)).toBe('descriptor')
    expect(reason(wpkh.replace('/<0;1>/*', '/0/*'))).toContain('lacks')
    expect(reason(wpkh.replace('tpub', 'tprv'))).toContain('private key')
    expect(reason(`sh(${wpkh})`)).toContain('native segwit')
    expect(reason(wpkh.replace('wpkh', 'pkh'))).toContain('native segwit')
    expect(reason(`${wpkh}#00000000`)).not.toBe('descriptor')
    expect(reason(wpkh.replace('tpub', 'xpub'))).not.toBe('descriptor')
  })

  test('gives its key to its own seed alone', () => {
    const read = readDescriptor(DESCRIPTORS.wpkh, 'regtest')
    if (read.kind !== 'descriptor') throw new Error(read.reason)
    expect(walletKey(read, SEED)).not.toBeNull()
    expect(walletKey(read, new Uint8Array(32).fill(1))).toBeNull()
  })

  // Nobody has the key of this point, so the wallet is spent by its script alone. Source: BIP 341.
  const nobody = '50929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0'
  test.each(['wsh', 'tr'] as const)('of several keys (%s) is signed by the part here', kind => {
    const own = accountDescriptors(SEED, 'regtest').wpkh.slice('wpkh('.length, -1)
    const keys = `2,${own},${key(1)},${key(2)}`
    const text = { wsh: `wsh(sortedmulti(${keys}))`, tr: `tr(${nobody},sortedmulti_a(${keys}))` }
    const read = readDescriptor(text[kind], 'regtest')
    if (read.kind !== 'descriptor') throw new Error(read.reason)
    const output = read.at({ chain: 0, index: 3 })
    const made = new Transaction()
    made.addInput(new Uint8Array(32), 0)
    made.addOutput(output.script, 50_000n)
    const psbt = new Psbt()
    output.addInput(psbt, { txHex: made.toHex(), vout: 0 })
    psbt.addOutput({ script: output.script, value: 49_000n })
    walletKey(read, SEED)?.sign(psbt)
    const [input] = psbt.data.inputs
    expect(kind === 'wsh' ? input?.partialSig : input?.tapScriptSig).toHaveLength(1)
  })
})
