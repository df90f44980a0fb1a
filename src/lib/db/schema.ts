/**
 * Every table's row as our code sees it. `test/lib/schema.test.ts` compares it with the migrated
 * database, so neither can drift from the other.
 *
 * int8 arrives as bigint and numeric(39,0) as bigint too (lib/db/database.ts sets the parsers);
 * bytea is a Buffer; a nullable column has `| null`. What a column means stands in migrations/.
 */
import type { BmmTables } from './bmm-tables.ts'
import type { LightningTables } from './lightning-tables.ts'
import type { MiningTables } from './mining-tables.ts'
import type { MoneyTables } from './money-tables.ts'
import type { TreasuryTables } from './treasury-tables.ts'

export type Database = MiningTables & BmmTables & MoneyTables & LightningTables & TreasuryTables
export type { AttemptState } from './lightning-tables.ts'
export type { BatchState, Wallet } from './money-tables.ts'
export type { OperatorRole, TokenScope } from './treasury-tables.ts'
