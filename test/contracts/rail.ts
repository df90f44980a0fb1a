import { expect, test } from 'vitest'
import type { BatchId } from '../../src/lib/ids.ts'
import type { Lease, Rail } from '../../src/payouts/rail.ts'

/** A rail with a batch that was approved a moment ago, and how to make its payment final. */
export type RailUnderTest = {
  readonly rail: Rail
  /**
   * The same one when fees have risen, and a batch has waited long enough; null for a rail that
   * never replaces what it sent.
   */
  readonly dearer: Rail | null
  readonly destination: string
  readonly lease: Lease
  /** Moves the batch as the core does after a send. */
  readonly markSent: () => Promise<void>
  readonly makeFinal: () => Promise<void>
  /** What the payees have received so far, in satoshis. */
  readonly received: () => Promise<bigint>
  readonly owed: bigint
}

/**
 * What the core relies on, whatever the rail. Run it in a test file of the rail's own.
 *
 * @param replaces whether what was sent can be replaced by something dearer
 */
export function testRail(
  name: string,
  { replaces }: { readonly replaces: boolean },
  setUp: () => Promise<RailUnderTest>,
): void {
  test(`${name}: a destination has one canonical spelling`, async () => {
    const { rail, destination } = await setUp()
    const parsed = rail.parseDestination(destination)
    expect(parsed).toMatchObject({ kind: 'payable', canonical: destination })
    expect(rail.parseDestination(`${destination}!`)).toMatchObject({ kind: 'unpayable' })
    expect(rail.parseDestination('')).toMatchObject({ kind: 'unpayable' })
  })

  test(`${name}: each step is harmless when repeated, and the payment is made once`, async () => {
    const { rail, lease, markSent, makeFinal, received, owed } = await setUp()
    const batch: BatchId = lease.batch
    expect(await rail.prepare(lease)).toEqual({ kind: 'prepared' })
    expect(await rail.prepare(lease)).not.toEqual({ kind: 'prepared' })
    expect(await rail.check(batch)).toEqual({ kind: 'missing' })
    expect(await rail.send(batch)).toEqual({ kind: 'sent' })
    expect(await rail.send(batch)).toEqual({ kind: 'sent' })
    await markSent()
    expect(await rail.check(batch)).toEqual({ kind: 'waiting', confirmations: 0 })
    await makeFinal()
    expect(await rail.check(batch)).toMatchObject({ kind: 'settled', version: 1 })
    expect(await rail.send(batch)).toEqual({ kind: 'sent' })
    expect(await received()).toBe(owed)
  })

  test.runIf(replaces)(`${name}: what was sent is replaced where that helps, once`, async () => {
    const { rail, dearer, lease, markSent, makeFinal, received, owed } = await setUp()
    if (dearer === null) throw new Error('a rail that replaces comes with one that does')
    const batch: BatchId = lease.batch
    expect(await rail.prepare(lease)).toEqual({ kind: 'prepared' })
    expect(await rail.adopt(lease)).toEqual({ kind: 'nothing' })
    await rail.send(batch)
    await markSent()
    expect(await rail.bump(lease)).toEqual({ kind: 'stays' })
    const lost = { ...lease, fence: lease.fence - 1n }
    expect(await dearer.bump(lost)).toEqual({ kind: 'fenced' })
    expect(await dearer.bump(lease)).toEqual({ kind: 'bumped' })
    expect(await dearer.send(batch)).toEqual({ kind: 'sent' })
    await markSent()
    expect(await dearer.bump(lease)).toEqual({ kind: 'stays' })
    expect(await rail.check(batch)).toEqual({ kind: 'waiting', confirmations: 0 })
    await makeFinal()
    expect(await rail.check(batch)).toMatchObject({ kind: 'settled', version: 2 })
    expect(await dearer.bump(lease)).toEqual({ kind: 'stays' })
    expect(await received()).toBe(owed)
  })

  test.skipIf(replaces)(`${name}: what was sent is never replaced`, async () => {
    const { rail, lease, markSent, makeFinal, received, owed } = await setUp()
    expect(await rail.prepare(lease)).toEqual({ kind: 'prepared' })
    expect(await rail.adopt(lease)).toEqual({ kind: 'nothing' })
    await rail.send(lease.batch)
    await markSent()
    expect(await rail.bump(lease)).toEqual({ kind: 'stays' })
    await makeFinal()
    expect(await rail.bump(lease)).toEqual({ kind: 'stays' })
    expect(await rail.check(lease.batch)).toMatchObject({ kind: 'settled', version: 1 })
    expect(await received()).toBe(owed)
  })

  test(`${name}: a lease that was lost prepares nothing`, async () => {
    const { rail, lease } = await setUp()
    const lost = { ...lease, fence: lease.fence - 1n }
    expect(await rail.prepare(lost)).toEqual({ kind: 'fenced' })
    expect(await rail.check(lease.batch)).toEqual({ kind: 'missing' })
  })
}
