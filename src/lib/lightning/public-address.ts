import { assert } from '../assert.ts'
import { type IpAddress, type IpNetwork, isWithin, parseNetwork } from '../ip-address.ts'

/**
 * What is no single machine on the public Internet: this host, private and carrier networks, links,
 * cloud metadata (169.254.169.254), documentation, benchmarks, groups, and what is reserved.
 * Source: IANA, IPv4 Special-Purpose Address Registry.
 */
const SPECIAL_V4 = networks(
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16'],
  ...['172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.31.196.0/24', '192.52.193.0/24'],
  ...['192.88.99.0/24', '192.168.0.0/16', '192.175.48.0/24', '198.18.0.0/15', '198.51.100.0/24'],
  ...['203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
)
/** All that was ever given out for machines; loopback, ULA, links and NAT64 are elsewhere. */
const GLOBAL_V6 = networks('2000::/3')
/**
 * Within that: protocols (Teredo among them), documentation, and 6to4, which hides an address of
 * IPv4. Source: IANA, IPv6 Special-Purpose Address Registry.
 */
const SPECIAL_V6 = networks(
  ...['2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20'],
)

/** Whether an address is one of the public Internet, where nothing of ours and no neighbour is. */
export function isPublicAddress(address: IpAddress): boolean {
  const isIn = (list: readonly IpNetwork[]) => list.some(network => isWithin(address, network))
  return address.length === 4 ? !isIn(SPECIAL_V4) : isIn(GLOBAL_V6) && !isIn(SPECIAL_V6)
}

function networks(...texts: readonly string[]): readonly IpNetwork[] {
  return texts.map(text => {
    const network = parseNetwork(text)
    assert(network !== null, 'networks of our own are well formed')
    return network
  })
}
