/** The chains sidepool knows, by the names of its configuration. */
export type Network = 'mainnet' | 'testnet4' | 'signet' | 'regtest'

type NetworkFacts = {
  /** What `getblockchaininfo` calls it. */
  readonly chain: string
  /** Blocks between two halvings of the subsidy. */
  readonly halvingInterval: number
}

/** Facts of each network. Source: Bitcoin Core, `kernel/chainparams.cpp`. */
export const NETWORK_FACTS: Readonly<Record<Network, NetworkFacts>> = {
  mainnet: { chain: 'main', halvingInterval: 210_000 },
  testnet4: { chain: 'testnet4', halvingInterval: 210_000 },
  signet: { chain: 'signet', halvingInterval: 210_000 },
  regtest: { chain: 'regtest', halvingInterval: 150 },
}
