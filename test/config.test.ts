import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ConfigOutcome, parseConfig } from '../src/config.ts'

const ROOT = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const SHIPPED = ['config/regtest.json', 'config/signet.json', 'config/mainnet.example.json']
/** Of BIP 173's example key, on each network. */
const ADDRESS: Readonly<Record<string, string>> = {
  'config/regtest.json': 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080',
  'config/signet.json': 'tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx',
  'config/mainnet.example.json': 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4',
}
const environment = {
  BITCOIND_PASSWORD: 'p',
  DATABASE_URL: 'postgres://sidepool:p@localhost/sidepool',
  DATABASE_OWNER_URL: 'postgres://owner:p@localhost/sidepool',
  REDIS_URL: 'redis://localhost',
  SIDEPOOL_POOL_KEY: '06'.repeat(32),
  ZERO: '00'.repeat(32),
}
const sources = {
  environment,
  readFile: () => {
    throw new Error('no such file')
  },
}

function errorsOf(outcome: ConfigOutcome): readonly string[] {
  return outcome.kind === 'errors' ? outcome.errors.map(error => error.path) : []
}

/** The shipped regtest configuration with one thing changed. */
function changed(change: (config: unknown) => void): ConfigOutcome {
  const config = JSON.parse(read('config/regtest.json'))
  config.pool.coinbaseAddress = ADDRESS['config/regtest.json']
  change(config)
  return parseConfig(JSON.stringify(config), sources)
}

describe('the shipped configurations', () => {
  for (const path of SHIPPED)
    test(`${path} is read, once its secrets and the pool's address are there`, () => {
      const config = JSON.parse(read(path))
      config.pool.coinbaseAddress = ADDRESS[path]
      expect(parseConfig(JSON.stringify(config), sources)).toMatchObject({ kind: 'config' })
    })

  test('hold no key of anybody and no secret', () => {
    for (const path of SHIPPED) {
      const config = JSON.parse(read(path))
      expect(config.treasury.poolKey ?? { env: '' }).toEqual({ env: expect.any(String) })
      expect(config.node.password).toEqual({ env: 'BITCOIND_PASSWORD' })
      expect(config.api).not.toHaveProperty('treasuryTokenSha256')
    }
  })
})

const MARKS = { lowSats: '100000', targetSats: '200000', capSats: '300000' }
/** What fills channels, as far as it makes sense without a rail. */
const channels = (over: object) => ({
  ...{ address: 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080', peers: [`03${'bb'.repeat(32)}`] },
  ...{ channel: { atLeastSats: '50000', atMostSats: '100000' }, refill: null, ...over },
})

describe('what is wrong is named by its path', () => {
  const cases: [string, (config: unknown) => void, readonly string[]][] = [
    [
      'a float where satoshis belong',
      c => set(c, 'schemes.0.minimumSats', '0.5'),
      ['schemes[0].minimumSats'],
    ],
    [
      'a number where satoshis belong',
      c => set(c, 'schemes.0.minimumSats', 10000),
      ['schemes[0].minimumSats'],
    ],
    [
      'an alarm above the length at which bids are left out',
      c => set(c, 'schemes.0.coinbase', { alarmBytes: 501 }),
      ['schemes[0].coinbase'],
    ],
    [
      'a coinbase that has no room for its own outputs',
      c => set(c, 'schemes.0.coinbase', { maximumBytes: 200 }),
      ['schemes[0].coinbase.maximumBytes', 'schemes[0].coinbase'],
    ],
    [
      'a template server with a password, and an opcode that is none',
      c => set(c, 'bmm', { templateUrl: 'http://a:b@127.0.0.1:8122', drivechainOpcode: 'nop4' }),
      ['bmm.templateUrl', 'bmm.drivechainOpcode'],
    ],
    [
      'our side blocks, and a Thunder node that nobody names',
      c => set(c, 'bmm', { drivechainOpcode: 'nop5', thunder: { yieldsFromSats: null } }),
      ['bmm.thunder.node'],
    ],
    [
      'a Thunder node that is named twice',
      c => {
        const node = { publicUrl: 'http://127.0.0.1:6009', privateUrl: 'http://127.0.0.1:6009' }
        const addresses = ['8twUkpctzwgbjqi5o14qWjrD9uk']
        const signer = { kind: 'node', floatCapSats: null }
        set(c, 'rails.thunder', { ...node, addresses, signer, finalityDepth: 6, feeSats: '1000' })
        set(c, 'bmm', { drivechainOpcode: 'nop5', thunder: { node, yieldsFromSats: null } })
      },
      ['bmm.thunder.node'],
    ],
    [
      'a rail over Lightning that is not there, or that nobody pays by',
      c => {
        set(c, 'schemes.0.rails', ['lightning'])
        const lnd = { socket: '127.0.0.1:10009', certFile: 'a', macaroonFile: 'b' }
        set(c, 'rails.lightning', { lnd, feeMax: { baseSats: '3', ppm: 5000 } })
        set(c, 'signer', undefined)
      },
      ['rails.lightning'],
    ],
    [
      'a scheme that pays over Lightning, and no such rail',
      c => set(c, 'schemes.0.rails', ['l1', 'lightning']),
      ['schemes[0].rails[1]'],
    ],
    [
      'channels without a rail over Lightning, and a refill that no wallet pays',
      c => set(c, 'bridges', { lightning: channels({ refill: { ...MARKS, from: 'cold' } }) }),
      ['bridges.lightning', 'bridges.lightning.refill.from'],
    ],
    [
      'channels at an address of another network, with one peer twice',
      c => {
        const peers = [`02${'aa'.repeat(32)}`, `02${'aa'.repeat(32)}`]
        const address = 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4'
        set(c, 'bridges', { lightning: channels({ address, peers }) })
      },
      ['bridges.lightning', 'bridges.lightning.address', 'bridges.lightning.peers'],
    ],
    [
      'channels that are larger than what is ever missing',
      c => {
        const channel = { atLeastSats: '100001', atMostSats: '200000' }
        set(c, 'bridges', { lightning: channels({ channel, refill: { ...MARKS, from: 'hot' } }) })
      },
      ['bridges.lightning', 'bridges.lightning.channel.atLeastSats'],
    ],
    [
      'channels that no lnd opens, or of no size at all',
      c => {
        const channel = { atLeastSats: '19999', atMostSats: '19998' }
        set(c, 'bridges', { lightning: channels({ channel }) })
      },
      ['bridges.lightning.channel', 'bridges.lightning.channel'],
    ],
    [
      'a password in the URL of a node, which is logged with every block',
      c => set(c, 'node.url', 'http://pool:secret@127.0.0.1:18443'),
      ['node.url'],
    ],
    [
      'more than all bitcoin',
      c => set(c, 'schemes.0.minimumSats', '2100000000000001'),
      ['schemes[0].minimumSats'],
    ],
    [
      'a difficulty that is no power of two',
      c => set(c, 'schemes.0.difficulty.start', 1000),
      ['schemes[0].difficulty.start'],
    ],
    [
      'difficulties out of order',
      c => set(c, 'schemes.0.difficulty.maximum', 0.001953125),
      ['schemes[0].difficulty'],
    ],
    [
      'a finder in the coinbase who is to be paid elsewhere, or would get nothing',
      c => {
        set(c, 'rewardPools.solo.coinbase', 'finder')
        set(c, 'schemes.2.rails', ['l1', 'thunder'])
        set(c, 'schemes.2.feeBasisPoints', 10_000)
        set(c, 'rails.thunder', undefined)
      },
      ['schemes[2].rails', 'schemes[2].feeBasisPoints', 'schemes[2].rails[1]'],
    ],
    [
      'a coinbase that pays its finder where a block is divided',
      c => set(c, 'rewardPools.pplns.coinbase', 'finder'),
      ['rewardPools.pplns'],
    ],
    ['a port twice', c => set(c, 'schemes.1.ports', [3333]), ['schemes[1].ports[0]']],
    [
      'a port with TLS and no certificate',
      c => set(c, 'schemes.0.ports', [{ port: 3, tls: true }]),
      ['schemes[0].ports[0]'],
    ],
    [
      'a certificate that is not there',
      c => set(c, 'stratum.tls', { certificateFile: '/c', keyFile: '/k' }),
      ['stratum.tls.certificateFile', 'stratum.tls.keyFile'],
    ],
    [
      'a port whose own difficulties are out of order',
      c =>
        set(c, 'schemes.0.ports', [
          { port: 3, difficulty: { start: 1, minimum: 2, maximum: 4, secondsPerShare: 5 } },
        ]),
      ['schemes[0].ports[0].difficulty'],
    ],
    [
      'a proxy that is no address',
      c => set(c, 'stratum.trustedProxies', ['proxy.example']),
      ['stratum.trustedProxies[0]'],
    ],
    [
      'an exempt network too long',
      c => set(c, 'stratum.exemptAddresses', ['10.0.0.0/40']),
      ['stratum.exemptAddresses[0]'],
    ],
    ['a port of the API', c => set(c, 'api.port', 3333), ['schemes[0].ports[0]']],
    ['a name twice', c => set(c, 'schemes.1.name', 'pplns'), ['schemes[1].name']],
    [
      'an unknown reward pool',
      c => set(c, 'schemes.0.rewardPool', 'nobody'),
      ['schemes[0].rewardPool'],
    ],
    [
      'a reward pool named as a prototype is',
      c => set(c, 'schemes.0.rewardPool', 'constructor'),
      ['schemes[0].rewardPool'],
    ],
    [
      'an address of another network',
      c => set(c, 'pool.coinbaseAddress', ADDRESS['config/signet.json']),
      ['pool.coinbaseAddress'],
    ],
    ['two kinds of database', c => set(c, 'database.url', { env: 'DATABASE_URL' }), ['database']],
    ['half a database', c => set(c, 'database', { url: { env: 'DATABASE_URL' } }), ['database']],
    ['an unknown rail', c => set(c, 'schemes.0.rails', ['paypal']), ['schemes[0].rails[0]']],
    ['an unknown key', c => set(c, 'pool.epochMinute', 5), ['pool']],
    [
      'a fee above the whole',
      c => set(c, 'schemes.0.feeBasisPoints', 10001),
      ['schemes[0].feeBasisPoints'],
    ],
    ['a secret in the file itself', c => set(c, 'node.password', 'hunter2'), ['node.password']],
    [
      'a secret whose variable is missing',
      c => set(c, 'node.password', { env: 'NOBODY' }),
      ['node.password'],
    ],
    [
      'a secret whose file is missing',
      c => set(c, 'node.password', { file: '/nowhere' }),
      ['node.password'],
    ],
    ['a key that is none', c => set(c, 'treasury.poolKey', { env: 'ZERO' }), ['treasury.poolKey']],
    [
      'an auto band without a key of the pool',
      c => set(c, 'treasury.poolKey', undefined),
      ['treasury.poolKey'],
    ],
    [
      'an auto band that nobody wrote out',
      c => set(c, 'treasury.policy.auto', undefined),
      ['treasury.policy.auto'],
    ],
    [
      'a destination of another network on the list',
      c => set(c, 'treasury.policy.allowList', [ADDRESS['config/signet.json']]),
      ['treasury.policy.allowList[0]'],
    ],
    [
      'no band for any amount',
      c => set(c, 'treasury.policy.bands', [{ upToSats: '1', approvals: 1 }]),
      ['treasury.policy.bands[0].upToSats'],
    ],
    [
      'fee floor above ceiling',
      c => set(c, 'rails.l1.feeFloorSatPerKvb', '999999'),
      ['rails.l1.feeFloorSatPerKvb'],
    ],
    [
      'an uncapped float elsewhere than on regtest',
      c => set(c, 'network', 'mainnet'),
      ['pool.coinbaseAddress', 'rails.l1.hot.signer.floatCapSats'],
    ],
  ]
  for (const [name, change, paths] of cases)
    test(name, () => expect(errorsOf(changed(change))).toEqual(paths))

  test('all at once', () => {
    const outcome = changed(config => {
      set(config, 'network', 'dogecoin')
      set(config, 'schemes.0.minimumSats', '-1')
      set(config, 'api.port', 0)
    })
    expect(errorsOf(outcome)).toEqual(['network', 'schemes[0].minimumSats', 'api.port'])
  })

  test('a file that is no JSON', () => {
    expect(errorsOf(parseConfig('{', sources))).toEqual(['(file)'])
  })

  test('no secret stands in an error', () => {
    const outcome = changed(config => set(config, 'node.password', 'hunter2'))
    expect(JSON.stringify(outcome)).not.toContain('hunter2')
  })
})

test('a port alone is one without TLS and with the difficulty of its scheme', () => {
  const difficulty = { start: 1024, minimum: 512, maximum: 2048, secondsPerShare: 5 }
  const outcome = changed(c => set(c, 'schemes.0.ports', [3333, { port: 3343, difficulty }]))
  if (outcome.kind !== 'config') throw new Error('not read')
  const inLog2 = { start: 10, minimum: 9, maximum: 11, secondsPerShare: 5 }
  expect(outcome.config.schemes[0]?.ports).toEqual([
    { port: 3333, tls: false },
    { port: 3343, tls: false, difficulty: inLog2 },
  ])
  expect(outcome.config.stratum).toMatchObject({ trustedProxies: [], exemptAddresses: [] })
})

test('docs/config.md names every key of the shipped configurations', () => {
  const page = read('docs/config.md')
  const keys = new Set(SHIPPED.flatMap(path => keysOf(JSON.parse(read(path)))))
  const missing = [...keys].filter(key => !page.includes(key))
  expect(missing).toEqual([])
})

function keysOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(keysOf)
  if (value === null || typeof value !== 'object') return []
  const isSecret = 'env' in value
  if (isSecret) return []
  return Object.entries(value).flatMap(([key, inner]) => [key, ...keysOf(inner)])
}

/** Sets what a path of keys and indexes names. */
function set(config: unknown, path: string, value: unknown): void {
  const keys = path.split('.')
  const last = keys.pop() ?? ''
  let at: unknown = config
  for (const key of keys) at = at instanceof Object ? Reflect.get(at, key) : undefined
  if (at instanceof Object) Reflect.set(at, last, value)
}
