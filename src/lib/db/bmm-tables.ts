/** What bmm writes: migrations/0005_bmm.sql. */
export type BmmTables = {
  bmm_blocks: { block_hash: string; read_ms: bigint }
  bmm_bids: {
    block_hash: string
    slot: number
    side_block: string
    request_txid: string | null
    fee_sats: bigint
  }
  side_blocks: {
    side_block: string
    slot: number
    previous_block: string
    height: number
    body: string
    made_ms: bigint
    connected_ms: bigint | null
  }
}
