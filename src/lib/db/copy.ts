import type { Kysely } from 'kysely'
import { type Connection, DatabaseError, type PoolClient } from 'pg'
import { poolOf } from './database.ts'
import type { Database } from './schema.ts'

// What the driver's types leave out: messages of PostgreSQL's protocol for COPY (55.2.6).
declare module 'pg' {
  interface Connection {
    query(text: string): void
    sendCopyFromChunk(chunk: Uint8Array): void
    endCopyFrom(): void
    sendCopyFail(reason: string): void
  }
}

export type CopyRequest = {
  /** A query of at most one row of one column. What it locks is locked while rows are copied. */
  readonly select: string
  /** `copy … from stdin (format binary)` */
  readonly copy: string
  /** @returns the rows as {@link binaryCopy} has them, or null to call it off */
  readonly rows: (found: string | null) => Uint8Array | null
}

export type CopyOutcome = { readonly kind: 'copied' } | { readonly kind: 'called off' }

/**
 * Copies rows into a table, in a transaction with a query before. Both go in one message, which
 * the server takes as one transaction (protocol, 55.2.2.1), and whatever fails undoes all.
 *
 * Rejects with the server's error, and with any other one when no answer came: then it may have
 * been carried out.
 */
export async function copyIn(db: Kysely<Database>, request: CopyRequest): Promise<CopyOutcome> {
  const client = await poolOf(db).connect()
  try {
    const outcome = await speak(client, request)
    client.release()
    return outcome
  } catch (error) {
    // A connection whose server did not answer is of no more use.
    client.release(!(error instanceof DatabaseError))
    throw error
  }
}

function speak(client: PoolClient, { select, copy, rows }: CopyRequest): Promise<CopyOutcome> {
  return new Promise((resolve, reject) => {
    let found: string | null = null
    let ending: (() => void) | null = null
    const query = {
      // The driver puts its own in front, which ends its timer: all ways out go through it.
      callback: (error: unknown) => {
        if (ending) ending()
        else if (error) reject(error)
        else resolve({ kind: 'copied' })
      },
      submit: (connection: Connection) => connection.query(`${select}; ${copy}`),
      handleRowDescription() {},
      handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }) {
        found = fields[0] ?? null
      },
      handleCommandComplete() {},
      handleCopyInResponse(connection: Connection) {
        try {
          const bytes = rows(found)
          if (bytes !== null) return sendAll(connection, bytes)
          ending = () => resolve({ kind: 'called off' })
        } catch (error) {
          ending = () => reject(error)
        }
        connection.sendCopyFail('called off')
      },
      handleReadyForQuery: () => query.callback(null),
      handleError: (error: unknown) => query.callback(error),
    }
    client.query(query)
  })
}

/** In one write to the socket. */
function sendAll(connection: Connection, bytes: Uint8Array): void {
  connection.stream.cork()
  connection.sendCopyFromChunk(bytes)
  connection.endCopyFrom()
  connection.stream.uncork()
}

const SIGNATURE = Uint8Array.of(0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00)
/** The signature, no flags, no extension. */
const HEADER_BYTES = 19
/** A field count of −1. */
const TRAILER_BYTES = 2

/** How a binary COPY file begins and ends, with room for rows in between. Source: COPY, "Binary Format". */
export function binaryCopy(rowBytes: number): {
  readonly bytes: Buffer
  readonly firstRow: number
} {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + rowBytes + TRAILER_BYTES)
  bytes.set(SIGNATURE)
  bytes.fill(0, SIGNATURE.length, HEADER_BYTES)
  bytes.writeInt16BE(-1, HEADER_BYTES + rowBytes)
  return { bytes, firstRow: HEADER_BYTES }
}
