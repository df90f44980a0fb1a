import type { ColumnType, GeneratedAlways } from 'kysely'

/** A key that the database gives. */
export type Id = GeneratedAlways<bigint>
/** Written as Uint8Array, read as Buffer. */
export type Bytes = ColumnType<Buffer, Uint8Array, Uint8Array>
