import { ANY_CLIENT } from './any-client.ts'
import { AXEOS, AXEOS_OLD } from './axeos.ts'
import { BOSMINER, MARKET_PROBER } from './braiins.ts'
import { ANTMINER, AVALON, CGMINER, WHATSMINER } from './cgminer.ts'
import type { Firmware } from './firmware.ts'
import { MINERD } from './minerd.ts'
import { NERDMINER } from './nerdminer.ts'
import { MINING_RIG_RENTALS, NICEHASH } from './rental.ts'

/** Every client that is emulated, in the order of the README's table. */
export const FIRMWARES: readonly Firmware[] = [
  MINERD,
  CGMINER,
  BOSMINER,
  AXEOS,
  AXEOS_OLD,
  NERDMINER,
  ANTMINER,
  WHATSMINER,
  AVALON,
  NICEHASH,
  MINING_RIG_RENTALS,
  MARKET_PROBER,
  ANY_CLIENT,
]
