// Kysely: its transactions for producers and guards, its instances for consumers, and the tables' types.
export type { InboxTable, OnceboxTables, OutboxTable, ScheduledTable } from '@oncebox/core/kysely'
export { fromKysely, kyselyDatabase } from '@oncebox/core/kysely'
