import { Subscriber } from 'zeromq'
import { toHex } from '../bytes.ts'
import { type BlockHash, blockHash } from '../ids.ts'

const TOPIC = 'hashblock'
const HASH_BYTES = 32

/** A subscription that goes on until it is stopped. */
export type BlockHashes = { readonly stop: () => Promise<void> }

/**
 * Hears of each new tip from a node's `zmqpubhashblock`. It connects again by itself, but what was
 * published meanwhile is lost: use it as a doorbell, never as the only way to hear.
 *
 * @param onBlock gets the hash of the new tip, in no certain order after a reorganisation
 */
export function watchBlockHashes(url: string, onBlock: (hash: BlockHash) => void): BlockHashes {
  const socket = new Subscriber()
  socket.connect(url)
  socket.subscribe(TOPIC)
  const done = listen()

  async function listen(): Promise<void> {
    for await (const [topic, body] of socket) {
      const isHash = topic?.toString() === TOPIC && body?.length === HASH_BYTES
      if (isHash && body) onBlock(blockHash(toHex(body)))
    }
  }
  return {
    stop: async () => {
      socket.close()
      await done
    },
  }
}
