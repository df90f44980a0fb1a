import { type UnixMs, unixMs } from '../../lib/ids.ts'

/** Fewer refusals are chance, such as the shares on their way when a block came. */
const REFUSED_MIN = 6
/** At that many the connection ends, however quickly they came: each one costs us a hash. */
const REFUSED_MAX = 1000
/** An accepted share makes up for so many, so only a miner of nearly nothing but refusals climbs. */
const FORGIVEN_PER_SHARE = 4
/** After so long the miner is told everything about its work again. */
const TELL_AGAIN_AFTER_MS = 60_000
/** After so long it is asked to connect anew. */
const RECONNECT_AFTER_MS = 120_000
/** After so long it is hung up on. */
const DROP_AFTER_MS = 180_000

/** How a connection stands whose shares are refused. */
export type Ladder = {
  readonly refused: number
  /** When the first of them came. */
  readonly sinceMs: UnixMs
  /** How much has been tried already. */
  readonly rung: 'none' | 'told again' | 'asked to reconnect'
}

/** Where everybody begins, and whoever's shares are accepted comes back to. */
export const GROUND: Ladder = { refused: 0, sinceMs: unixMs(0), rung: 'none' }

export function countRefused(ladder: Ladder, now: UnixMs): Ladder {
  if (ladder.refused === 0) return { ...GROUND, refused: 1, sinceMs: now }
  return { ...ladder, refused: ladder.refused + 1 }
}

export function forgive(ladder: Ladder): Ladder {
  if (ladder.refused <= FORGIVEN_PER_SHARE) return GROUND
  return { ...ladder, refused: ladder.refused - FORGIVEN_PER_SHARE }
}

/** Too many for any miner, and the next step needs no patience. */
export function isFlood(ladder: Ladder): boolean {
  return ladder.refused >= REFUSED_MAX
}

/** What is due: a broken miner is given the chance to come right before it is hung up on. */
export function actDue(
  { refused, sinceMs, rung }: Ladder,
  now: UnixMs,
): 'nothing' | 'tell again' | 'reconnect' | 'drop' {
  if (refused < REFUSED_MIN) return 'nothing'
  const lasted = now - sinceMs
  if (lasted > DROP_AFTER_MS) return 'drop'
  if (lasted > RECONNECT_AFTER_MS && rung !== 'asked to reconnect') return 'reconnect'
  return lasted > TELL_AGAIN_AFTER_MS && rung === 'none' ? 'tell again' : 'nothing'
}
