export type { InboxTable, OnceboxTables, OutboxTable, ScheduledTable } from '@oncebox/core/kysely'
export { fromKysely, kyselyDatabase } from '@oncebox/core/kysely'
