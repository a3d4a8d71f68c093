// Migrations of the tables. As a program they are `oncebox migrate`.
export type { MigrateOptions, MigrateResult, MigrationPlan, PrintOptions, RequireSchemaOptions } from '@oncebox/schema'
export { defaultSchema, migrate, plan, printMigrations, requireSchema, schemaVersion } from '@oncebox/schema'
